"""Scenes put into words: many ways to say each thing, so that free wording works."""

from __future__ import annotations

import random

from scene import COLOURS, Scene, sample_scene

OBJECT_WORDS = {
    "house": ("house", "house", "cottage", "cabin", "home"),
    "sailboat": ("sailboat", "sailboat", "boat", "sailing boat", "ship"),
    "tree": ("tree", "tree", "oak"),
    "balloon": ("hot air balloon", "hot air balloon", "balloon"),
    "lighthouse": ("lighthouse",),
    "tent": ("tent",),
    "car": ("car", "car", "automobile"),
    "windmill": ("windmill", "windmill", "mill"),
    "castle": ("castle", "castle", "fortress"),
    "mushroom": ("mushroom", "mushroom", "toadstool"),
    "rocket": ("rocket", "rocket", "spaceship"),
    "cat": ("cat", "cat", "kitten"),
    "flower": ("flower", "flower", "tulip"),
    "kite": ("kite",),
    "duck": ("duck", "duck", "duckling"),
    "umbrella": ("umbrella", "umbrella", "parasol"),
}
COLOUR_WORDS = {
    "red": ("red", "red", "red", "scarlet", "crimson"),
    "blue": ("blue",),
    "yellow": ("yellow", "yellow", "yellow", "golden"),
    "white": ("white",),
    "purple": ("purple", "purple", "purple", "violet"),
    "orange": ("orange",),
    "green": ("green", "green", "green", "emerald"),
    "pink": ("pink", "pink", "pink", "rose"),
}
TERRAIN_PHRASES = {
    "hills": ("on green hills", "on green hills", "in the hills", "on a green hill", "among rolling hills"),
    "mountains": (
        "in snowy mountains",
        "in snowy mountains",
        "in the mountains",
        "in the alps",
        "among peaks",
    ),
    "desert": ("in desert dunes", "in the desert", "in the desert", "among sand dunes"),
    "sea": ("on a calm sea", "by the sea", "on the sea", "at sea", "on the ocean", "on the water"),
    "forest": ("in a pine forest", "in a pine forest", "in the forest", "in the woods", "among fir trees"),
    "beach": ("on a sandy beach", "on a sandy beach", "on the beach", "at the beach", "on the shore"),
    "city": ("in the city", "in the city", "in front of the city", "in a big city", "in town", "downtown"),
    "meadow": (
        "in a flower meadow",
        "in a flower meadow",
        "in a meadow",
        "among wildflowers",
        "in the grass",
    ),
    "canyon": ("in a red canyon", "in a red canyon", "in the canyon", "among red rocks"),
    "fields": ("in the fields", "in farm fields", "in farm fields", "on farmland", "in the countryside"),
}
TERRAIN_TAGS = {
    "hills": ("green hills", "hills", "rolling hills"),
    "mountains": ("snowy mountains", "mountains", "alps"),
    "desert": ("desert dunes", "desert", "sand dunes"),
    "sea": ("calm sea", "sea", "ocean"),
    "forest": ("pine forest", "forest", "woods"),
    "beach": ("sandy beach", "beach", "shore"),
    "city": ("city", "town", "city skyline"),
    "meadow": ("flower meadow", "meadow", "wildflowers"),
    "canyon": ("red canyon", "canyon", "red rocks"),
    "fields": ("farm fields", "fields", "countryside"),
}
TIME_PHRASES = {
    "day": ("during the day", "during the day", "in the daytime", "by day", "at noon", "in the afternoon"),
    "sunset": ("at sunset", "at sunset", "in the evening", "in the evening light"),
    "night": ("at night", "at night", "under the stars", "at midnight", "in the dark"),
    "dawn": ("at dawn", "at dawn", "in the morning", "at sunrise", "early in the morning"),
    "dusk": ("at dusk", "at dusk", "at twilight", "after sunset", "at nightfall"),
}
TIME_TAGS = {
    "day": ("day", "daytime", "noon", "afternoon"),
    "sunset": ("sunset", "evening", "evening light"),
    "night": ("night", "starry night", "midnight"),
    "dawn": ("dawn", "morning", "sunrise"),
    "dusk": ("dusk", "twilight", "nightfall"),
}
PLACE_PHRASES = {
    "left": ("on the left", "on the left", "on the left side", "to the left"),
    "middle": ("in the middle", "in the middle", "in the centre", "in the center"),
    "right": ("on the right", "on the right", "on the right side", "to the right"),
}
DISTANCE_PHRASES = {
    "near": ("close up", "close by", "in the foreground", "nearby"),
    "far": ("far away", "in the distance", "far off", "in the background"),
}
DISTANCE_ADJECTIVES = {"near": ("big", "large", "huge"), "far": ("small", "little", "tiny")}
WEATHER_EXTRAS = {
    "clear": ("a clear sky",),
    "clouds": ("clouds", "clouds", "white clouds", "a cloudy sky"),
    "rain": ("rain", "rain", "rain falling", "showers"),
    "snow": ("snow falling", "snow falling", "snowflakes", "falling snow"),
}
WEATHER_PHRASES = {"rain": ("in the rain", "on a rainy day"), "snow": ("in falling snow", "while it snows")}
SUN_EXTRAS = ("the sun", "the sun", "a bright sun")
MOON_EXTRAS = ("a full moon", "a full moon", "the moon", "moonlight")
RAINBOW_EXTRAS = ("a rainbow", "a rainbow", "a bright rainbow")

MOVING = {  # verbs for what moves to a side; the object's own verb comes first
    "sailboat": "sails",
    "car": "drives",
    "duck": "swims",
    "cat": "walks",
    "balloon": "drifts",
    "kite": "flies",
}
MOTION_PHRASES = {
    "left": ("{verb} to the left", "moves left"),
    "right": ("{verb} to the right", "moves right"),
    "up": ("rises", "goes up", "climbs into the sky"),
    "down": ("comes down", "sinks", "lands"),
    "sway": ("sways in the wind", "sways"),
    "turn": ("turns in the wind", "turns"),
    "beam": ("sweeps its beam", "shines its turning light"),
    "disc up": ("as the {disc} rises", "while the {disc} goes up"),
    "disc down": ("as the {disc} sets", "while the {disc} goes down"),
    "clouds left": ("as clouds drift to the left", "while clouds move left"),
    "clouds right": ("as clouds drift to the right", "while clouds move right"),
    "pan left": ("as the camera pans left", "camera pans to the left"),
    "pan right": ("as the camera pans right", "camera pans to the right"),
}


def caption(scene: Scene, rng: random.Random) -> str:
    """Put a scene into words: a sentence or, now and then, a list of tags; parts are left out at random."""
    style = rng.random()
    if style < 0.05:
        return _object_phrase(scene, rng)
    if style < 0.17:
        return _tags(scene, rng)
    return _sentence(scene, rng)


def full_caption(scene: Scene) -> str:
    """The plain, complete caption of a scene, always worded the same way (for evaluation)."""
    parts = [
        f"{_article(scene.colour)} {scene.colour} {OBJECT_WORDS[scene.object][0]}",
        PLACE_PHRASES[scene.place][0],
        DISTANCE_PHRASES[scene.distance][0] if scene.distance != "normal" else "",
        TERRAIN_PHRASES[scene.terrain][0],
        TIME_PHRASES[scene.time][0],
    ]
    extras = []
    if scene.sky == "disc":
        extras.append("a full moon" if scene.time == "night" else "the sun")
    elif scene.sky == "rainbow":
        extras.append("a rainbow")
    if scene.weather != "clear":
        extras.append(WEATHER_EXTRAS[scene.weather][0])
    text = " ".join(part for part in parts if part) + (" with " + " and ".join(extras) if extras else "")
    return text + (", " + motion_phrase(scene, random.Random(0)) if scene.motion != "still" else "")


def motion_phrase(scene: Scene, rng: random.Random) -> str:
    """Words for what moves."""
    verb = MOVING.get(scene.object, "moves")
    disc = "moon" if scene.time == "night" else "sun"
    return rng.choice(MOTION_PHRASES[scene.motion]).format(verb=verb, disc=disc)


def vocabulary() -> tuple[list[str], dict[str, str]]:
    """Every lower-case word that can occur in a caption, sorted; and what synonyms stand for."""
    rng = random.Random(0)
    words: set[str] = set()
    for index in range(80_000):
        words.update(caption(sample_scene(rng, moving=index % 4 == 0), rng).replace(",", " ").split())
    return sorted(words), {word: name for word, name in sorted(synonyms().items()) if word in words}


def surprise_phrases() -> list[list[str]]:
    """Slots of phrases; one of each, joined, is a caption that fits the model well."""
    skies = [
        *(f"{phrases[0]} with clouds" for phrases in TIME_PHRASES.values()),
        *(f"{phrases[0]} with the sun" for time, phrases in TIME_PHRASES.items() if time != "night"),
        *(f"{TIME_PHRASES[time][0]} with a rainbow" for time in ("day", "dawn", "sunset")),
        "at night with a full moon",
        "at night in falling snow",
        "during the day in the rain",
    ]
    return [
        [f"{_article(colour)} {colour}" for colour in COLOURS],
        [words[0] for words in OBJECT_WORDS.values()],
        ["", *(phrases[0] for phrases in PLACE_PHRASES.values())],
        ["", "", "", "close up", "far away"],
        [phrases[0] for phrases in TERRAIN_PHRASES.values()],
        skies,
    ]


def synonyms() -> dict[str, str]:
    """Single words that mean the same picture as another, plainer one."""
    found: dict[str, str] = {}
    for names in (*OBJECT_WORDS.values(), *COLOUR_WORDS.values()):
        found.update({word: names[0] for word in names[1:] if word != names[0] and " " not in word})
    for tags in (*TERRAIN_TAGS.values(), *TIME_TAGS.values()):
        found.update({word: tags[0] for word in tags[1:] if " " not in word and word not in tags[0].split()})
    found.update({word: names[0] for names in DISTANCE_ADJECTIVES.values() for word in names[1:]})
    found.update({"centre": "middle", "center": "middle", "nearby": "close", "snowflakes": "snow", "showers": "rain"})
    found.update({"alps": "mountains", "peaks": "mountains", "downtown": "city", "moonlight": "moon"})
    return found


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _object_phrase(scene: Scene, rng: random.Random, sized: bool = False) -> str:
    noun = rng.choice(OBJECT_WORDS[scene.object])
    words = [noun] if rng.random() < 0.03 else [rng.choice(COLOUR_WORDS[scene.colour]), noun]
    if sized:
        words.insert(0, rng.choice(DISTANCE_ADJECTIVES[scene.distance]))
    return f"{_article(words[0])} {' '.join(words)}"


def _extras(scene: Scene, rng: random.Random, weather: bool = True) -> list[str]:
    """Mentions of the weather and of what is in the sky, each left out now and then."""
    extras = []
    if scene.sky == "disc" and rng.random() < 0.85:
        extras.append(rng.choice(MOON_EXTRAS if scene.time == "night" else SUN_EXTRAS))
    if scene.sky == "rainbow" and rng.random() < 0.95:
        extras.append(rng.choice(RAINBOW_EXTRAS))
    if weather and rng.random() < (0.12 if scene.weather == "clear" else 0.9):
        extras.append(rng.choice(WEATHER_EXTRAS[scene.weather]))
    rng.shuffle(extras)
    return extras


def _sentence(scene: Scene, rng: random.Random) -> str:
    sized = scene.distance != "normal" and rng.random() < 0.4
    place = rng.choice(PLACE_PHRASES[scene.place]) if rng.random() < 0.8 else ""
    far = scene.distance != "normal" and not sized and rng.random() < 0.9
    distance = rng.choice(DISTANCE_PHRASES[scene.distance]) if far else ""
    terrain = rng.choice(TERRAIN_PHRASES[scene.terrain]) if rng.random() < 0.93 else ""
    time = rng.choice(TIME_PHRASES[scene.time]) if rng.random() < 0.93 else ""
    raining = scene.weather in WEATHER_PHRASES and rng.random() < 0.4
    weather = rng.choice(WEATHER_PHRASES[scene.weather]) if raining else ""
    where = [place, distance, terrain] if rng.random() < 0.7 else [terrain, distance, place]
    parts = [_object_phrase(scene, rng, sized), *where, time, weather]
    if time and rng.random() < 0.12:
        parts = [time + ",", *parts[:-2], weather]
    text = " ".join(part for part in parts if part)
    extras = _extras(scene, rng, weather=not raining)
    if extras:
        text += (" with " if rng.random() < 0.8 else ", ") + " and ".join(extras)
    if scene.motion != "still":
        text += (", " if rng.random() < 0.5 else " ") + motion_phrase(scene, rng)
    if rng.random() < 0.06:
        text = rng.choice(("a picture of ", "a drawing of ", "a postcard of ")) + text
    return text


def _tags(scene: Scene, rng: random.Random) -> str:
    tags = [rng.choice(TERRAIN_TAGS[scene.terrain]), rng.choice(TIME_TAGS[scene.time])]
    if rng.random() < 0.6:
        tags.append(rng.choice(PLACE_PHRASES[scene.place]))
    if scene.distance != "normal":
        tags.append(rng.choice(DISTANCE_PHRASES[scene.distance]))
    rng.shuffle(tags)
    noun = f"{rng.choice(COLOUR_WORDS[scene.colour])} {rng.choice(OBJECT_WORDS[scene.object])}"
    extras = [extra.removeprefix("the ").removeprefix("a ") for extra in _extras(scene, rng)]
    motion = [motion_phrase(scene, rng)] if scene.motion != "still" else []
    return ", ".join([noun, *tags, *extras, *motion])
