/** Whole values for tests, of which a test names only what it is about. */

import type { Job, Series, Study } from '@/lib/types'

export function aJob(fields: Partial<Job> = {}): Job {
  return {
    job_id: 'job',
    study_instance_uid: '1.2',
    series_instance_uid: '1.2.1',
    series_description: 'T1 MPRAGE',
    model: { name: 'brain', version: '1.0.2', title: 'Brain extraction', digest: 'sha256:ab' },
    state: 'IN PROGRESS',
    label: 'running',
    trigger: 'rule',
    progress: 0,
    stage: '',
    reason: null,
    attempt: 1,
    created_at: '2026-05-05T10:00:00Z',
    started_at: '2026-05-05T10:00:01Z',
    ended_at: null,
    results: { seg: null, sr: null },
    measurements: [],
    predecessor_job_id: null,
    successor_job_id: null,
    ...fields,
  }
}

export function aStudy(fields: Partial<Study> = {}): Study {
  return {
    study_instance_uid: '1.2',
    patient_name: 'Demo^Head',
    patient_id: 'DEMO-1',
    patient_birth_date: '19800301',
    patient_sex: 'F',
    study_date: '20260505',
    study_time: '101500',
    accession_number: 'A1',
    study_description: 'Head',
    modalities: ['MR'],
    series_count: 1,
    instance_count: 160,
    stored_at: '2026-05-05T10:00:00Z',
    analysis: null,
    ...fields,
  }
}

export function aSeries(fields: Partial<Series> = {}): Series {
  return {
    series_instance_uid: '1.2.1',
    modality: 'MR',
    series_number: '1',
    series_description: 'T1 MPRAGE',
    body_part_examined: 'HEAD',
    instance_count: 160,
    frame_count: 160,
    stored_at: '2026-05-05T10:00:00Z',
    settled: true,
    job_id: null,
    thumbnail: null,
    sop_instance_uids: ['1.2.1.1'],
    ...fields,
  }
}
