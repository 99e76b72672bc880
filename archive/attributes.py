"""Which attributes belong to a study, a series, an instance: what a search returns and indexes.

Search answers: PS3.18 Tables 10.6.3-3 to -5, with the attributes of the Patient, Study and Series
modules (PS3.3 C.7.1 to C.7.3) that a data set holds. Index: the text columns of the database.
"""

from pydicom.datadict import tag_for_keyword

from hounsfield.archive.dicom_json import Members, values_of


def _keys(*keywords: str) -> tuple[str, ...]:
    return tuple(f"{tag_for_keyword(keyword) or 0:08X}" for keyword in keywords)


STUDY_ALWAYS = _keys(
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyID",
)
"""Returned even when empty (Table 10.6.3-3)."""

STUDY_IF_PRESENT = _keys(
    "SpecificCharacterSet",
    "TimezoneOffsetFromUTC",
    "StudyDescription",
    "ConsultingPhysicianName",
    "ConsultingPhysicianIdentificationSequence",
    "PhysiciansOfRecord",
    "PhysiciansOfRecordIdentificationSequence",
    "NameOfPhysiciansReadingStudy",
    "PhysiciansReadingStudyIdentificationSequence",
    "ReferringPhysicianIdentificationSequence",
    "RequestingServiceCodeSequence",
    "ReferencedStudySequence",
    "ProcedureCodeSequence",
    "ReasonForPerformedProcedureCodeSequence",
    "IssuerOfAccessionNumberSequence",
    "StudyStatusID",
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "TypeOfPatientID",
    "OtherPatientIDs",
    "OtherPatientIDsSequence",
    "OtherPatientNames",
    "PatientBirthTime",
    "PatientBirthDateInAlternativeCalendar",
    "PatientAlternativeCalendar",
    "EthnicGroup",
    "EthnicGroupCodeSequence",
    "PatientComments",
    "ReferencedPatientSequence",
    "ReferencedPatientPhotoSequence",
    "QualityControlSubject",
    "PatientSpeciesDescription",
    "PatientSpeciesCodeSequence",
    "PatientBreedDescription",
    "PatientBreedCodeSequence",
    "BreedRegistrationSequence",
    "StrainDescription",
    "ResponsiblePerson",
    "ResponsiblePersonRole",
    "ResponsibleOrganization",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientBodyMassIndex",
    "PatientSexNeutered",
    "MedicalAlerts",
    "Allergies",
    "SmokingStatus",
    "PregnancyStatus",
    "LastMenstrualDate",
    "PatientState",
    "Occupation",
    "AdditionalPatientHistory",
    "AdmissionID",
    "IssuerOfAdmissionIDSequence",
    "ReasonForVisit",
    "ServiceEpisodeID",
    "ServiceEpisodeDescription",
    "AdmittingDiagnosesDescription",
    "AdmittingDiagnosesCodeSequence",
    "ClinicalTrialSponsorName",
    "ClinicalTrialProtocolID",
    "ClinicalTrialProtocolName",
    "ClinicalTrialSiteID",
    "ClinicalTrialSiteName",
    "ClinicalTrialSubjectID",
    "ClinicalTrialSubjectReadingID",
    "ClinicalTrialTimePointID",
    "ClinicalTrialTimePointDescription",
)

SERIES_ALWAYS = _keys("Modality", "SeriesInstanceUID", "SeriesNumber")
"""Returned even when empty (Table 10.6.3-4)."""

SERIES_IF_PRESENT = _keys(
    "SpecificCharacterSet",
    "TimezoneOffsetFromUTC",
    "SeriesDescription",
    "SeriesDescriptionCodeSequence",
    "SeriesDate",
    "SeriesTime",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "PerformedProcedureStepEndDate",
    "PerformedProcedureStepEndTime",
    "PerformedProcedureStepID",
    "PerformedProcedureStepDescription",
    "PerformedProtocolCodeSequence",
    "RequestAttributesSequence",
    "ReferencedPerformedProcedureStepSequence",
    "CommentsOnThePerformedProcedureStep",
    "Laterality",
    "BodyPartExamined",
    "PatientPosition",
    "ProtocolName",
    "PerformingPhysicianName",
    "OperatorsName",
    "AnatomicalOrientationType",
    "TreatmentSessionUID",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "Manufacturer",
    "InstitutionName",
    "InstitutionAddress",
    "InstitutionalDepartmentName",
    "StationName",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "SoftwareVersions",
    "ClinicalTrialCoordinatingCenterName",
    "ClinicalTrialSeriesID",
    "ClinicalTrialSeriesDescription",
)

INSTANCE_ALWAYS = _keys("SOPClassUID", "SOPInstanceUID", "InstanceNumber")
"""Returned even when empty (Table 10.6.3-5)."""

INSTANCE_IF_PRESENT = _keys(
    "SpecificCharacterSet",
    "TimezoneOffsetFromUTC",
    "Rows",
    "Columns",
    "BitsAllocated",
    "NumberOfFrames",
    "ImageType",
    "ContentDate",
    "ContentTime",
    "AcquisitionNumber",
)

_VRS = {
    **dict.fromkeys(_keys("StudyDate", "PatientBirthDate"), "DA"),
    **dict.fromkeys(_keys("StudyTime"), "TM"),
    **dict.fromkeys(_keys("AccessionNumber", "StudyID"), "SH"),
    **dict.fromkeys(_keys("ReferringPhysicianName", "PatientName"), "PN"),
    **dict.fromkeys(_keys("PatientID"), "LO"),
    **dict.fromkeys(_keys("PatientSex", "Modality"), "CS"),
    **dict.fromkeys(_keys("SeriesNumber", "InstanceNumber"), "IS"),
}
_EMPTY = {key: {"vr": vr} for key, vr in _VRS.items()}


STUDY = frozenset((*STUDY_ALWAYS, *STUDY_IF_PRESENT))
SERIES = frozenset((*SERIES_ALWAYS, *SERIES_IF_PRESENT))
INSTANCE = frozenset((*INSTANCE_ALWAYS, *INSTANCE_IF_PRESENT))


def level_members(members: Members, level: frozenset[str], always: tuple[str, ...]) -> Members:
    """The members of one level, tags ascending."""
    keys = members.keys() & level
    return {key: members.get(key) or _EMPTY[key] for key in sorted(keys.union(always))}


INDEX_COLUMNS = {
    "00100020": "patient_id",
    "00100021": "issuer_of_patient_id",
    "00100010": "patient_name",
    "00100030": "patient_birth_date",
    "00100040": "patient_sex",
    "00080020": "study_date",
    "00080030": "study_time",
    "00080050": "accession_number",
    "00080090": "referring_physician_name",
    "00200010": "study_id",
    "00081030": "study_description",
    "00080060": "modality",
    "00200011": "series_number",
    "0008103E": "series_description",
    "00180015": "body_part_examined",
    "00400244": "performed_procedure_step_start_date",
    "00400245": "performed_procedure_step_start_time",
    "00200013": "instance_number",
}
"""Text columns by the member that fills them."""

_CONTROL = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)])
_LARGEST_INDEXED_BYTES = 10_000


def index_attributes(members: Members) -> dict[str, str]:
    """The text columns, as PostgreSQL and a search take them."""
    return {
        INDEX_COLUMNS[key]: text
        for key in INDEX_COLUMNS.keys() & members.keys()
        if (text := _index_text(values_of(members, key)))
    }


def _index_text(values: list[object]) -> str:
    if not values:
        return ""
    text = "\\".join(map(_plain, values)) if len(values) > 1 else _plain(values[0])
    text = (text if text.isprintable() else text.translate(_CONTROL)).strip()
    if len(text) <= _LARGEST_INDEXED_BYTES // 4:
        return text
    return text.encode()[:_LARGEST_INDEXED_BYTES].decode(errors="ignore")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        names = [value.get(n, "") for n in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(names).rstrip("=")
    return "" if value is None else str(value)
