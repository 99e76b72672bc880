"""Which attributes belong to a study, a series, an instance: what a search returns.

Search answers: PS3.18 Tables 10.6.3-3 to -5, with the attributes of the Patient, Study and Series
modules (PS3.3 C.7.1 to C.7.3) that a data set holds.
"""

from pydicom.datadict import tag_for_keyword

from hounsfield.archive.dicom_json import Members


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
