"""mlbot: train, judge and release the intent model of a bot, in notebooks."""


def __getattr__(name: str):
    if name == "__version__":
        from importlib.metadata import version
        return version("mlbot")
    raise AttributeError(f"module 'mlbot' has no attribute {name!r}")
