/** Brings a result that was stored while the study is open into the viewer, without a reload. */

import type { DisplaySet, Ohif, Result } from './types.js';

const TRIES = 20;
const TRY_EVERY_MS = 250;

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

/**
 * OHIF keeps a study's metadata under "<data source>:<study>" but forgets "<study>": without both
 * forms, before and after, it would answer from memory and never see the new series.
 */
async function fetchNewSeries(ohif: Ohif, study: string): Promise<void> {
  const [source] = ohif.extensionManager.getActiveDataSource();
  const name = ohif.extensionManager.activeDataSource ?? 'hounsfield';
  const forget = () => [study, `${name}:${study}`].forEach(key => source.deleteStudyMetadataPromise(key));
  forget();
  await source.retrieve.series.metadata({ StudyInstanceUID: study });
  forget();
}

async function displaySetOf(ohif: Ohif, series: string): Promise<DisplaySet | null> {
  for (let n = 0; n < TRIES; n += 1) {
    const [found] = ohif.servicesManager.services.displaySetService.getDisplaySetsForSeries(series);
    if (found) return found;
    await pause(TRY_EVERY_MS);
  }
  return null;
}

/** The viewport that shows the images which were analysed; else the active one. */
function viewportFor(ohif: Ohif, sourceSeries: string | null): string | null {
  const { viewportGridService, displaySetService } = ohif.servicesManager.services;
  const state = viewportGridService.getState();
  const shown = displaySetService
    .getActiveDisplaySets()
    .filter(set => set.SeriesInstanceUID === sourceSeries)
    .map(set => set.displaySetInstanceUID);
  for (const [id, viewport] of state.viewports) {
    if (viewport.displaySetInstanceUIDs?.some(uid => shown.includes(uid))) return id;
  }
  return null;
}

/** Add the series of a result, and lay a segmentation over the images it was made from. */
export async function showResult(
  ohif: Ohif,
  study: string,
  sourceSeries: string | null,
  seg: Result | null
): Promise<'overlaid' | 'added' | 'missing'> {
  await fetchNewSeries(ohif, study);
  if (!seg) return 'added';
  const displaySet = await displaySetOf(ohif, seg.series_instance_uid);
  if (!displaySet) return 'missing';
  const viewportId = viewportFor(ohif, sourceSeries);
  if (!viewportId) return 'added';
  await ohif.commandsManager.runCommand('addDisplaySetAsLayer', {
    viewportId,
    displaySetInstanceUID: displaySet.displaySetInstanceUID,
  });
  return 'overlaid';
}
