"""Widgets: construct, bind, paint. What they show and decide lives in ``studio``."""
