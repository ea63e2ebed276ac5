"""What can be wrong with a bundle. A bundle with any of these is never used in part.

BundleError
├── BundleMissingError      no folder to read here
├── BundleExistsError       a bundle is written once; its folder is already there
├── FormatError             another version of the format
├── ContentError            a file does not say what the format asks for, or contradicts another
├── UnsafeFileError         a link, a folder, a device, or a name that leads out of the folder
├── MissingFileError        a file that the format or the manifest asks for is not there
├── ExtraFileError          a file that the manifest does not name
├── DigestError             the bytes are not those that were released
├── SampleError             a stored sample no longer gives its stored answer
└── MappingDigestError      made for another catalogue or other code lists
"""

from pathlib import Path


class BundleError(Exception):
    """Root. `where` is the file or folder, `problem` what is wrong, `remedy` what to do."""

    def __init__(self, where: Path, problem: str, remedy: str) -> None:
        super().__init__(f"{where}: {problem}. {remedy}.")
        self.where = where
        self.problem = problem
        self.remedy = remedy


class BundleMissingError(BundleError):
    """There is no folder, or it cannot be read."""


class BundleExistsError(BundleError):
    """The folder to be written is already there."""


class FormatError(BundleError):
    """The manifest states a format that this version does not read."""


class ContentError(BundleError):
    """A file is malformed, or two files contradict each other."""


class UnsafeFileError(BundleError):
    """Something that is not a plain file directly in the folder."""


class MissingFileError(BundleError):
    """A file is not there, or cannot be read."""


class ExtraFileError(BundleError):
    """A file that nobody vouches for."""


class DigestError(BundleError):
    """A file was changed after release."""


class SampleError(BundleError):
    """The loaded bundle does not reproduce its own stored samples."""


class MappingDigestError(BundleError):
    """The bundle and the mapping it is to be used with do not belong together."""
