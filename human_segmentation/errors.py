"""Errors that a user can cause. A command prints the sentence and exits with 2."""


class HumanSegError(Exception):
    """A problem with what the user gave: the message says what, where and what to do, in one sentence."""


class DataError(HumanSegError):
    """A photo, a video, a list file or a label cannot be used."""


class ModelError(HumanSegError):
    """A model folder cannot be used."""


class DeviceError(HumanSegError):
    """A camera, a window or an engine is not there."""


class OutputError(HumanSegError):
    """A result cannot be written."""


class BusyError(OutputError):
    """Another run is making the same result."""


class DownloadError(HumanSegError):
    """Something cannot be fetched, or is not what it should be."""
