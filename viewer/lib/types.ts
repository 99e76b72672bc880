/** What the JSON API answers, under short names; `api-types.ts` is made from its OpenAPI document. */

import type { components } from '@/lib/api-types'

type Schemas = components['schemas']

export type EventPage = Schemas['Events']
export type FeedEvent = Schemas['Event']
export type EventType = FeedEvent['type']
export type InstanceReference = Schemas['InstanceReference']
export type Job = Schemas['Job']
export type JobLabel = Job['label']
export type JobRequest = Schemas['JobRequest']
export type Measurement = Schemas['JobMeasurement']
export type Model = Schemas['InstalledModel']
export type Peer = Schemas['Peer']
export type PeerProbe = Schemas['PeerProbe']
export type PeerRequest = Schemas['PeerRequest']
export type Peers = Schemas['Peers']
export type Report = Schemas['Report']
export type ReportLine = Schemas['ReportLine']
export type ReportMeasurement = Schemas['ReportMeasurement']
export type Series = Schemas['SeriesItem']
export type Status = Schemas['Status']
export type Study = Schemas['StudyItem']
export type StudyDetail = Schemas['StudyDetail']
export type StudyPage = Schemas['StudyPage']
