/** Where things are. */

/** The page of a study in this app. A static export knows no UIDs, so it is a query. */
export function studyPath(studyUid: string): string {
  return `/study/?uid=${encodeURIComponent(studyUid)}`
}

/** The study in OHIF, with one of its series in front. */
export function ohifPath(studyUid: string, seriesUid?: string): string {
  const series = seriesUid ? `&initialSeriesInstanceUID=${encodeURIComponent(seriesUid)}` : ''
  return `/ohif/viewer?StudyInstanceUIDs=${encodeURIComponent(studyUid)}${series}`
}

/** A frame as a picture; of a segmentation, painted over the image it was made from. */
export function renderedPath(
  studyUid: string,
  { series_instance_uid: series, sop_instance_uid: sop }: { series_instance_uid: string; sop_instance_uid: string },
  frame: number,
): string {
  const path = ['studies', studyUid, 'series', series, 'instances', sop, 'frames', String(frame), 'rendered']
  return `/dicom-web/${path.map(encodeURIComponent).join('/')}`
}
