"""Everything the Qt-free rooms say to a person, as ids with values and one English table.

The window translates a message through its id (see ``ui/translate.py``); the command line prints the English.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# id: (what happened, what to do). Either may use {values}.
ENGLISH: dict[str, tuple[str, str]] = {
    # request
    "steps.range": ("Steps must be a whole number from {low} to {high}, not {value}.", "20 is a good start."),
    "steps.scheduler": (
        "The scheduler {scheduler} takes at most {high} steps, not {value}.",
        "Lower the steps, or choose another scheduler.",
    ),
    "guidance.range": ("Guidance must be a number from {low} to {high}, not {value}.", "Between 3 and 8 is usual."),
    "size.range": (
        "Width and height must be from {low} to {high} px, not {width} × {height}.",
        "For this model, {default} is a good start.",
    ),
    "size.multiple": (
        "Width and height must be multiples of {multiple} px, not {width} × {height}.",
        "The nearest valid size is {nearest}.",
    ),
    "seed.range": ("The seed must be a whole number from 0 to {high}, not {value}.", "Use -1 for a random one."),
    "count.range": ("The number of pictures must be from 1 to {high}, not {value}.", ""),
    "clip-skip.range": (
        "Clip skip must be a whole number from 1 to {high}, not {value}.",
        "1 is the usual; many models for drawings want 2.",
    ),
    "vae.unknown": (
        "There is no autoencoder (VAE) “{value}” that fits the model {model}.",
        "Known here: {known}. A .safetensors file must have “vae” in its name or its folder's, one for XL also “xl”,"
        " one for FLUX.1 also “flux”.",
    ),
    "vae.none": ("The model {model} works with its own autoencoder (VAE) only.", "Leave the VAE out."),
    "enlarge.none": (
        "The model {model} cannot draw its pictures larger.",
        "Leave the picture at its own size, or choose another model.",
    ),
    "enlarge.factor": (
        "The model {model} can draw its pictures {factor} times as large, not {value} times.",
        "Switch enlarging on or off.",
    ),
    "kind.unknown": ("There is no kind of result called “{value}”.", "Known here: {known}."),
    "kind.no-film": (
        "The model {model} makes pictures, not films.",
        "Choose a film model, or put a motion adapter that fits this model into the models folder.",
    ),
    "kind.no-picture": (
        "The model {model} makes films, not pictures.",
        "Choose “Film” (on the command line, the command film), or another model.",
    ),
    "frames.range": ("The number of frames must be from {low} to {high}, not {value}.", ""),
    "frames.step": (
        "After the first frame, this model makes {step} at a time: {value} frames cannot be.",
        "The nearest possible number is {nearest}.",
    ),
    "fps.range": ("The frame rate must be from {low} to {high} frames per second, not {value}.", ""),
    "refiner.unknown": (
        "There is no refiner called “{value}” for the model {model}.",
        "Known here: {known}. A refiner is a model of its own in the models folder.",
    ),
    "refiner.other": (
        "The model {value} is no refiner for the model {model}.",
        "Choose one that was made to finish its pictures, or none.",
    ),
    "refiner.unsupported": ("The model {model} hands its pictures to no refiner.", "Leave the refiner out."),
    "refiner.range": (
        "The refiner can go on after more than 0 and less than 1 of the noise, not after {value}.",
        "0.8 is usual.",
    ),
    "motion-model.unknown": (
        "There is no motion adapter “{value}” for this model.",
        "Known here: {known}.",
    ),
    "motion-bucket.range": ("The amount of motion must be from 0 to {high}, not {value}.", ""),
    "noise-augmentation.range": ("The noise over the start picture must be from 0 to 1, not {value}.", ""),
    "strength.range": ("The strength must be from 0 to 1, not {value}.", ""),
    "start.use": ("A start picture cannot be used to “{value}”.", "Known here: {known}."),
    "start.needed-picture": (
        "The model {model} draws pictures anew and needs a start picture.",
        "Drop a picture onto the start area (on the command line: --image), or choose another model.",
    ),
    "start.needed": (
        "The model {model} makes films of pictures and needs a start picture.",
        "Drop a picture onto the start area (on the command line: --image), or choose another model.",
    ),
    "start.missing": (
        "The start picture “{file}” is not there any more.",
        "Choose it again, or start without a picture.",
    ),
    "start.unreadable": (
        "The file “{file}” cannot be read as a picture or a film: {reason}.",
        "Choose a PNG, JPEG, WebP, GIF, MP4 or WebM file.",
    ),
    "start.changed": ("The start picture “{file}” has changed since this was queued; the new one is used.", ""),
    "start.differs": ("The start picture “{file}” has changed since it was chosen; it is used as it is now.", ""),
    "extend.nothing": ("There is no film to extend.", "Choose the film, or a picture, that should go on."),
    "extend.picture": ("Only a film can go on from a start picture or film.", "Choose “Film”."),
    # the library of models
    "library.runs": ("Runs here: it needs about {need} of memory, and {have} are free.", ""),
    "library.runs-with": (
        "Runs here, but memory is short: with {how} it needs about {need} of the {have} that are free.",
        "",
    ),
    "library.looking": ("Safelight is still looking into this model.", ""),
    "library.runs-unknown": ("Safelight can use this model.", ""),
    "library.too-large": (
        "Does not run here: it needs about {need} of memory, and {have} are free.",
        "A smaller or quantised version may fit.",
    ),
    "library.pickle": (
        "A pickle, a kind of file that can hide programs.",
        "Convert it to a .safetensors file, or allow it to be read.",
    ),
    "library.format": (
        "Safelight cannot run models in {format} files.",
        "Take the same model as a .safetensors file, or as a folder in the layout of diffusers.",
    ),
    "library.unknown": ("Safelight does not know what this file is.", ""),
    "library.lora": (
        "This LoRA changes what a model draws.",
        "Add it to the prompt here, or write <lora:{name}:1> there.",
    ),
    "library.embedding": (
        "This textual inversion stands for words.",
        "Write {name} into the prompt; embedding:{name} in ComfyUI's dialect, <{name}> in InvokeAI's.",
    ),
    "library.lora-other": (
        "This LoRA is for {architecture}; Safelight puts LoRAs on Stable Diffusion 1, 2 and XL and on FLUX.1 alone.",
        "Take one for a model that you have.",
    ),
    "library.vae": (
        "This autoencoder can take the place of that of a model with the same latents.",
        "Choose it under “Advanced”, or with --vae {name}.",
    ),
    "library.vae-other": (
        "An autoencoder that no model here can use: of another kind than those of Stable Diffusion, SDXL and FLUX.1,"
        " or with no “vae” in its path.",
        "If it is one of theirs, move it into a folder called VAE.",
    ),
    "library.motion": (
        "This motion adapter lets the models that it fits make films.",
        "Choose it under “Film”, or with --motion-model {name}.",
    ),
    "library.motion-other": (
        "A motion adapter that is not found: nothing in its path says that it is one.",
        "Move it into a folder called animatediff.",
    ),
    "library.unused": ("{kind}: Safelight does not use files of this kind.", ""),
    "library.part": ("{kind}: it is used together with a checkpoint, not by itself.", ""),
    "library.missing": (
        "Cannot be used alone: it lacks {parts}.",
        "Put them beside it, called as the file with .vae, .text_encoder or .text_encoder_2 before its ending.",
    ),
    "library.no-family": ("Safelight cannot run {architecture}.", "Choose another model."),
    "library.other-architecture": ("A model of an architecture that Safelight does not know.", "Choose another model."),
    "library.other-folder": (
        "Safelight does not run this folder ({architecture}): it draws from more than words, or is incomplete.",
        "Choose another model.",
    ),
    "library.folder": (
        "Safelight runs {architecture} from a folder in diffusers layout, not from a single file.",
        "Download such a folder, for example {folder}.",
    ),
    "library.no-folder": ("There is no folder “{path}”.", "Name a folder with models."),
    "library.yaml": (
        "The file “{file}” {reason}.",
        "Choose the extra_model_paths.yaml of ComfyUI, or add the folders one by one.",
    ),
    "scheduler.unknown": ("There is no scheduler called “{value}”.", "Known here: {known}."),
    "schedule-type.unknown": (
        "The scheduler {scheduler} has no schedule type “{value}”.",
        "It offers: {known}.",
    ),
    "scheduler.unsupported": (
        "The model {model} does not work with the scheduler {scheduler}.",
        "Choose one of: {known}.",
    ),
    "request.syntax": (
        "The recipe was written for prompt syntax {value}, which this version does not know.",
        "Update Safelight to use it.",
    ),
    "prompt-dialect.unknown": ("There is no prompt dialect called “{value}”.", "Known here: {known}."),
    "request.version": (
        "The recipe has version {value}; this program reads up to {known}.",
        "Update Safelight to use it.",
    ),
    "request.malformed": ("The recipe cannot be read: {reason}.", "Check the file it came from."),
    "prompt.cut": (
        "The prompt is longer than this model reads: the last {words} words were left out.",
        "Say the most important things first.",
    ),
    "negative-prompt.cut": (
        "The negative prompt is longer than this model reads: the last {words} words were left out.",
        "Say the most important things first.",
    ),
    # files that are no weights, or damaged ones; each text begins with the file
    "file.missing": ("{file} is not there.", "Look whether its folder was moved, or choose another file."),
    "file.denied": ("{file} may not be read by you.", "Change its permissions, or copy it to a folder of your own."),
    "file.unreadable": ("{file} cannot be read: {reason}.", "Check the disk or the connection that it lies on."),
    "file.not-a-file": ("{file} is a folder or a device, not a file.", "Choose a file with weights."),
    "file.empty": ("{file} is empty.", "The download never began; download it again."),
    "file.short": ("{file} is only {size} bytes long.", "No model is as short; download it again."),
    "file.web-page": (
        "{file} is a web page, not a model.",
        "The download probably asked to sign in: sign in with a browser and download it again.",
    ),
    "file.lfs": (
        "{file} is a Git LFS pointer; the weights themselves were never downloaded.",
        "Run “git lfs pull” in its folder, or download the file by itself.",
    ),
    "file.format": (
        "{file} is a {format} file, not one with weights that Safelight reads.",
        "If it is packed, unpack it; else take the same model as a .safetensors file.",
    ),
    "file.unknown": (
        "{file} is no weights file that Safelight knows, or its beginning is damaged.",
        "Download it again, or take the same model as a .safetensors file.",
    ),
    "file.cut-off": (
        "{file} is cut off: {size} of {whole} bytes are there.",
        "The download broke off; download it again.",
    ),
    "file.too-long": (
        "{file} is damaged: {extra} bytes follow its last tensor.",
        "Download it again.",
    ),
    "file.header-long": (
        "{file} has a header of {size} bytes, more than the {limit} that are read.",
        "No model needs as many; download it again.",
    ),
    "file.header": ("{file} has a damaged header.", "Download it again."),
    "file.header-cut": ("{file} has a damaged header, or is cut off inside it.", "Download it again."),
    "file.gguf-version": (
        "{file} has the GGUF version {version}; known are {known}.",
        "Take the same model in a newer GGUF file, or as a .safetensors file.",
    ),
    "file.crowded": ("{file} describes more tensors than any model has.", "Download it again, or take it away."),
    "file.metadata": ("{file} has a damaged header (its notes on itself are no texts).", "Download it again."),
    "file.twice": ("{file} has a damaged header ({name} stands in it twice).", "Download it again."),
    "file.tensor": ("{file} has a damaged header (at {name}).", "Download it again."),
    "file.tensor-size": (
        "{file} is damaged: {name} has {size} bytes, and its shape needs {need}.",
        "Download it again.",
    ),
    "file.overlap": ("{file} is damaged: {name} lies where another tensor is.", "Download it again."),
    "file.gap": ("{file} is damaged: there is a gap before {name}.", "Download it again."),
    "file.pickle": ("{file} is a damaged pickle, or no weights at all.", "Download it again."),
    "file.archive": ("{file} is cut off, or is a damaged archive.", "Download it again."),
    "file.archive-names": (
        "{file} is an archive with names that lead out of it.",
        "Nothing of it was unpacked. Take the file away; it may have been made to do harm.",
    ),
    "file.storages": ("{file} is damaged: the numbers of {count} tensors are missing.", "Download it again."),
    "file.programs": (
        "{file} asks for more than weights: {names}.",
        "Loading it could run a program hidden in it, so nothing of it is. Take the model as a .safetensors file.",
    ),
    "pickle.consent": (
        "{file} is a pickle, a kind of file that can hide programs.",
        "If you trust where it comes from, allow it in the Models workspace (on the command line: --trust-pickle). "
        "Only its weights are read then, and nothing in it is run.",
    ),
    "pickle.unreadable": (
        "{file} cannot be read as weights alone: {reason}.",
        "Take the same model as a .safetensors file.",
    ),
    "convert.failed": ("{file} could not be converted ({reason}).", ""),
    "pickle.none": ("{file} is not a file of pickled weights.", "There is nothing to convert."),
    "file.dtype": (
        "{file} holds {name} in the number format {dtype}, which Safelight does not know.",
        "Take the same model in another number format.",
    ),
    "folder.no-model": (
        "{file} is a folder without model_index.json or config.json, so no model in the layout of diffusers.",
        "Choose the folder that has one of them, or a file.",
    ),
    "folder.index": ("{file} has a damaged model_index.json.", "Download it again."),
    "folder.no-weights": (
        "{file} has no weights that can be read (no .safetensors file).",
        "Download the folder again, with its .safetensors files.",
    ),
    # LoRA
    "lora.unknown": (
        "There is no LoRA called “{name}” in your model folders.",
        "Write the name of its file without the ending, or add its folder in Models.",
    ),
    "lora.weight": (
        "In the tag of the LoRA {name}, “{value}” is no weight.",
        "Write a number, as in <lora:{name}:0.8>.",
    ),
    "lora.none": ("{model} takes no LoRAs.", "Choose another model, or take the tag out of the prompt."),
    "lora.architecture": (
        "The LoRA {name} was made for {made_for}, and {model} is of {architecture}.",
        "Choose a model of {made_for}, or another LoRA.",
    ),
    "lora.layers": (
        "The LoRA {name} changes layers that {model} does not have.",
        "It was made for another kind of model.",
    ),
    "lora.shape": (
        "The LoRA {name} does not fit {model}: the layer {layer} has another size there.",
        "It was made for another kind of model.",
    ),
    "lora.partly": (
        "Of the {layers} layers that the LoRA {name} changes, {model} lacks {lost}; the others were changed.",
        "It may have been made for a variant of this model.",
    ),
    "lora.kind": (
        "{name} is of the kind {kind}, which Safelight cannot use.",
        "Take the same as a LoRA, LoHa, LoKr or DoRA.",
    ),
    "lora.empty": ("The LoRA {name} changes no layer.", "Its file is damaged or no LoRA; download it again."),
    # textual inversions
    "embedding.pickle": (
        "{file} is a pickle, a kind of file that can hide programs; the name of its textual inversion was taken for a "
        "word.",
        "Convert it or allow it in the Models workspace (on the command line: --trust-pickle).",
    ),
    "embedding.width": (
        "The textual inversion {name} was made for another kind of model; its name was taken for a word.",
        "Choose one that was made for this model.",
    ),
    # models
    "model.unknown": ("There is no model called “{value}”.", "Known here: {known}."),
    "model.none": ("No model was found.", "Reinstall Safelight to get its own model back."),
    "model.missing-file": (
        "The model {model} is incomplete: {file} is missing.",
        "Reinstall Safelight, or copy the model folder again.",
    ),
    "model.damaged": (
        "The model {model} is damaged: {file} {reason}.",
        "Reinstall Safelight, or copy the model folder again.",
    ),
    "model.unusable": ("{file} {reason}.", "Choose another file, or download it again."),
    "model.unfit": (
        "{file} cannot be run: it {reason}.",
        "Choose a checkpoint of Stable Diffusion 1, 2 or XL, or a folder in diffusers' layout.",
    ),
    "model.part-missing": (
        "The file {model} holds no {part}.",
        "Put one beside it, called {file}, or choose a complete checkpoint.",
    ),
    "model.facts": ("The facts file {file} cannot be used: {reason}.", "Mend the file, or take it away."),
    "model.family": (
        "The model {model} is of a kind Safelight cannot run yet ({kind}).",
        "It runs diffusers' folders of models that draw or film from words, and of Stable Video Diffusion.",
    ),
    "model.package": (
        "The model {model} needs a Python package that is not there: {reason}.",
        "Install it where Safelight is installed.",
    ),
    # models that run through diffusers' own pipelines
    "bridge.scheduler": (
        "The model {model} runs through diffusers' own pipeline, with the model's own scheduler only.",
        "Leave the scheduler out.",
    ),
    "bridge.start": (
        "The model {model} runs through diffusers' own pipeline, which draws from words alone.",
        "Leave the start picture out, or choose another model.",
    ),
    "bridge.refused": (
        "The pipeline of the model {model} refuses this: {reason}.",
        "Another size, or another number of frames, may do.",
    ),
    # engine
    "engine.memory": (
        "There was not enough memory on {device} for this picture.",
        "Make it smaller, make fewer at once, or close other programs.",
    ),
    "memory.plan": ("Memory is short ({need} needed, {free} free), so it is made with {how}.", ""),
    "memory.short": (
        "This needs about {need} of memory, and only {free} are free.",
        "If it does not work out, make it smaller or close other programs.",
    ),
    "memory.again": ("Memory ran out on {device}, so it is made once more with {how}.", ""),
    "engine.tiled": (
        "Memory was too short to decode the picture at once, so it was decoded in tiles.",
        "Seams may differ a little. A smaller picture is decoded at once.",
    ),
    "engine.memory-film": (
        "There was not enough memory on {device} for this film.",
        "Make it smaller or shorter, or close other programs.",
    ),
    "engine.not-finite": (
        "The model gave no usable picture: the numbers overflowed on {device} in {dtype}.",
        "Lower the guidance, or try another scheduler.",
    ),
    "engine.stopped": (
        "The engine stopped unexpectedly ({reason}).",
        "It has been started again; press Generate to try once more.",
    ),
    "engine.not-starting": (
        "The engine cannot start ({reason}).",
        "Run “python main.py doctor” in a terminal: it says what is missing.",
    ),
    "engine.failed": (
        "Something went wrong while making the picture: {reason}.",
        "Details are in the log. “Copy report” gathers them.",
    ),
    "engine.cpu-torch": (
        "This machine has an NVIDIA graphics card ({gpu}), but the installed torch works on the processor only.",
        "Install a CUDA build: {command}",
    ),
    "engine.device-missing": (
        "The device {value} is not available; {device} is used instead.",
        "Choose another device in Settings.",
    ),
    "reproduce.differs": (
        "This picture was made with {then}; this machine has {now}, so it may differ a little.",
        "",
    ),
    # downloads
    "download.link": (
        "This is neither a repository nor a link: {link}.",
        "Name a repository of Hugging Face as owner/name, or paste a link that begins with https://.",
    ),
    "download.no-model": (
        "This is not the page of a model: {link}.",
        "Paste the link of the model itself, or of one of its files.",
    ),
    "download.name": ("The server calls a file “{name}”, which is no safe name.", "Download it with a browser."),
    "download.ask": ("There is nobody here to ask.", "Say --yes to download it without a question."),
    "download.offline": (
        "Connections are switched off.",
        "Switch “Offline” off in Settings, then try again.",
    ),
    "download.certificate": (
        "The server {host} did not prove who it is.",
        "Check the clock of this machine, and whether a proxy stands between.",
    ),
    "download.broken": (
        "The connection to {host} failed again and again.",
        "Check the network, then go on; what has come so far is kept.",
    ),
    "download.answer": ("The server {host} gave an answer that makes no sense.", "Try again later."),
    "download.redirect": ("The server {host} leads to nowhere, or off the secure web.", "Use another link."),
    "download.too-many": (
        "The server {host} asks for a pause: there were too many requests.",
        "Go on in some minutes; what has come so far is kept.",
    ),
    "download.server": (
        "The server {host} is in trouble (status {status}).",
        "Go on later; what has come so far is kept.",
    ),
    "download.gated": (
        "The owner of this model on {host} wants your agreement first.",
        "Open its page, sign in and agree; then enter a token of your account and try again.",
    ),
    "download.sign-in": (
        "The server {host} wants to know who asks.",
        "Create a token in your account there, enter it and try again.",
    ),
    "download.token": (
        "The server {host} does not accept the token that is kept for it.",
        "It may have run out. Make another in your account there, and enter it.",
    ),
    "download.forbidden": (
        "The server {host} does not give this file to you.",
        "Check on its page whether your account may have it, and whether the token may read.",
    ),
    "download.no-repository": (
        "There is no repository at {link}, or it is private.",
        "Check the spelling, or enter a token of an account that may see it.",
    ),
    "download.not-found": ("There is nothing at {link}.", "Check the link; the file may have moved."),
    "download.refused": ("The server {host} refused the request (status {status}).", "Use another link."),
    "download.nothing": (
        "There are no weights in {title}.",
        "Look on its page for the model that it belongs to.",
    ),
    "download.which": ("There are several files in {title}.", "Choose one (on the command line with --file): {known}."),
    "download.no-file": ("There is no file “{name}” in {title}.", "Known here: {known}."),
    "download.web-page": (
        "The server sent a web page instead of {file}.",
        "The link may want you to sign in. Open it in a browser, or use the link of the file itself.",
    ),
    "download.pointer": (
        "The server sent a Git LFS pointer instead of {file}.",
        "Use the download link of the file.",
    ),
    "download.not-weights": ("What the server sent as {file} is not such a file.", "Use another link."),
    "download.size": (
        "{file} should have {told} bytes, but the server says {found}.",
        "It may have been replaced just now; look it up again.",
    ),
    "download.digest": (
        "{file} came damaged: its digest is not the one that the site names.",
        "It was thrown away. Download it again.",
    ),
    "download.damaged": ("{file} came damaged: it {reason}.", "It was thrown away. Use another link."),
    "download.taken": (
        "Another Safelight is downloading {model} into this folder at this moment.",
        "Let it finish, or pause or stop it there; then go on here.",
    ),
    "download.disk": (
        "There is no room in {folder}: {need} are missing, and {free} are free.",
        "Free some space, or choose another folder.",
    ),
    "download.full": (
        "The disk is full: {folder}.",
        "Free some space, then go on; what has come so far is kept.",
    ),
    "download.folder": ("Nothing can be written to {folder}: {reason}.", "Choose another folder."),
    # files
    "save.folder": (
        "Pictures cannot be written to {folder}: {reason}.",
        "Choose another output folder (in Settings, or with -o).",
    ),
    "save.full": (
        "The disk is full: {file} could not be saved in {folder}.",
        "Free some space, then save the picture on the canvas with “Save as”.",
    ),
    "save.format": ("There is no picture format called “{value}”.", "Known here: {known}."),
    "save.format-film": ("There is no film format called “{value}”.", "Known here: {known}."),
    "ffmpeg.missing": (
        "The film encoder ffmpeg was not found.",
        "Install it with: pip install imageio-ffmpeg. WebP and PNG films need no ffmpeg.",
    ),
    "ffmpeg.start": (
        "The film encoder {file} cannot be started: {reason}.",
        "Install it again with: pip install --force-reinstall imageio-ffmpeg. WebP and PNG films need no ffmpeg.",
    ),
    "ffmpeg.failed": (
        "The film encoder ffmpeg stopped: {reason}.",
        "Save the film again, or choose another format.",
    ),
    "save.short": (
        "The film that was written has {found} frames instead of {wanted}.",
        "Save it again, or choose another format.",
    ),
    "save.exists": ("{file} already exists.", "Choose another name; nothing is ever overwritten."),
    "save.metadata-short": (
        "The recipe was too long for this format and was shortened.",
        "PNG has room for all of it.",
    ),
    "read.picture": ("{file} cannot be read as a picture: {reason}.", "The file may be damaged."),
    "read.film": ("{file} cannot be played: {reason}.", "The file may be damaged."),
    "template.malformed": (
        "The file name template “{value}” cannot be used: {reason}.",
        "It may use {known}.",
    ),
    "settings.damaged": (
        "The settings file could not be read, so the defaults are used.",
        "The old file was kept as {file}.",
    ),
    # command line
    "display.none": (
        "There is no display to open a window on.",
        'Pictures can be made without one: python main.py generate "a red house on green hills at sunset" -o house.png',
    ),
    "qt.libraries": (
        "Qt could not start: {reason}.",
        "On Debian or Ubuntu: sudo apt-get install libegl1 libgl1 libglib2.0-0 libxkbcommon0 libdbus-1-3"
        " libfontconfig1 libxcb-cursor0",
    ),
    "dependency.missing": (
        "The Python package {package} is not installed here.",
        "Run: python3 -m pip install .",
    ),
    "launcher.unsupported": ("A launcher cannot be made on {system}.", "Start Safelight with “python main.py”."),
    "launcher.failed": ("The launcher could not be written to {folder}: {reason}.", "Choose another with --folder."),
    "save.kept-aside": ("{reason} What was made is kept as {file}.", "{remedy}"),
    "command.failed": ("Something went wrong: {reason}.", "Run it again with --debug to see where."),
    "data-dir.unusable": ("The data folder {folder} cannot be used: {reason}.", "Choose another with --data-dir."),
}


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to say: the id of a line in :data:`ENGLISH` and the values that go into it."""

    id: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """What happened, in English."""
        return ENGLISH[self.id][0].format_map(self.values)

    @property
    def remedy(self) -> str:
        """What to do about it, in English; may be empty."""
        return ENGLISH[self.id][1].format_map(self.values)

    def __str__(self) -> str:
        return f"{self.text} {self.remedy}".strip()

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "values": dict(self.values)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Message:
        return cls(data["id"], data["values"])
