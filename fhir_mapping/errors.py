"""What can go wrong in the mapping itself. Poor patient data is not here: it becomes a DataIssue.

MappingError
├── CatalogueError    the table of features or a code list is not usable
├── ProfileError      a site profile is unknown or malformed
├── UnitError         a catalogue unit that the unit library cannot read
├── ExportError       a folder or file of FHIR that cannot be read
└── PatientError      no Patient resource among those given, or more than one
"""


class MappingError(Exception):
    """Root of this package's errors. Messages never carry a patient's values."""


class CatalogueError(MappingError):
    """The catalogue or a code list is malformed; the message names file, row and column."""


class ProfileError(MappingError):
    """No such site profile, or one that does not parse."""


class UnitError(MappingError):
    """A unit written in the catalogue is unknown to the unit library."""


class ExportError(MappingError):
    """A FHIR export that cannot be read; the message names the file and what to do."""


class PatientError(MappingError):
    """No Patient resource, or more than one: nobody to speak of."""
