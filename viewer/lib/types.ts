/** What the JSON API answers. */

export type JobLabel = 'queued' | 'running' | 'complete' | 'failed' | 'skipped' | 'canceled'

export interface ModelName {
  name: string
  version: string
  title: string
  digest: string
}

export interface Model extends ModelName {
  intended_use: string
}

export interface InstanceReference {
  series_instance_uid: string
  sop_instance_uid: string
}

export interface JobResults {
  seg: InstanceReference | null
  sr: InstanceReference | null
}

export interface Measurement {
  name: string
  value: number
  unit: string
}

export interface Job {
  job_id: string
  study_instance_uid: string
  series_instance_uid: string
  series_description: string | null
  model: ModelName
  state: 'SCHEDULED' | 'IN PROGRESS' | 'COMPLETED' | 'CANCELED'
  label: JobLabel
  trigger: string
  progress: number
  stage: string | null
  reason: string | null
  attempt: number
  created_at: string
  started_at: string | null
  ended_at: string | null
  results: JobResults | null
  measurements: Measurement[]
  predecessor_job_id: string | null
  successor_job_id: string | null
}

export interface Study {
  study_instance_uid: string
  patient_name: string | null
  patient_id: string | null
  patient_birth_date: string | null
  patient_sex: string | null
  study_date: string | null
  study_time: string | null
  accession_number: string | null
  study_description: string | null
  modalities: string[]
  series_count: number
  instance_count: number
  stored_at: string
  analysis: Job | null
}

export interface StudyPage {
  items: Study[]
  total: number
  sequence: number
}

export interface Series {
  series_instance_uid: string
  modality: string | null
  series_number: number | null
  series_description: string | null
  body_part_examined: string | null
  instance_count: number
  frame_count: number
  stored_at: string
  settled: boolean
  job_id: string | null
  thumbnail: string | null
  sop_instance_uids: string[]
}

export interface StudyDetail extends Study {
  series: Series[]
  jobs: Job[]
}

export interface ReportMeasurement {
  group: string | null
  name: string
  value: number | string
  unit: string | null
  method: string | null
  tracking_identifier: string | null
}

export interface ReportLine {
  depth: number
  concept: string | null
  value: string | null
}

export interface Report {
  title: string
  completion_flag: string | null
  verification_flag: string | null
  content_date: string | null
  content_time: string | null
  device: string | null
  measurements: ReportMeasurement[]
  lines: ReportLine[]
}

export interface Status {
  version: string
  ae_title: string
  dimse_port: number
  sequence: number
  counts: { studies: number; series: number; instances: number; bytes: number }
  models: Model[]
  inference_enabled: boolean
}

export type EventType =
  | 'stored'
  | 'settled'
  | 'queued'
  | 'running'
  | 'complete'
  | 'failed'
  | 'skipped'
  | 'canceled'
  | 'quarantined'

export interface FeedEvent {
  sequence: number
  type: EventType
  time: string
  study_instance_uid: string | null
  series_instance_uid: string | null
  sop_instance_uid: string | null
  job_id: string | null
  data: Record<string, unknown>
}

export interface EventPage {
  events: FeedEvent[]
  last_sequence: number
  reset: boolean
}
