/**
 * Hounsfield in OHIF: toasts and a panel while a model runs, its SEG overlaid when it is stored,
 * and a button that asks for an analysis. Loaded by the unmodified viewer from its configuration.
 */

import { Feed } from './feed.js';
import { JobList, requestAnalysis } from './jobs.js';
import { makePanel } from './panel.js';
import { showResult } from './results.js';
import type { LiveEvent, Ohif } from './types.js';

const ID = 'hounsfield';
const PANEL = `${ID}.panelModule.analyses`;
const BUTTON = 'hounsfieldRunAI';
const TOAST_MS = 6000;

const jobs = new JobList();
let feed: Feed | null = null;

function openStudies(): string[] {
  const query = new URLSearchParams(window.location.search);
  return (query.get('StudyInstanceUIDs') ?? '').split(/[,\\]/).filter(Boolean);
}

function toast(ohif: Ohif, title: string, message: string, type: 'info' | 'success' | 'error') {
  const { uiNotificationService } = ohif.servicesManager.services;
  uiNotificationService.show({ title, message, type, duration: TOAST_MS });
}

async function take(ohif: Ohif, event: LiveEvent): Promise<void> {
  const study = event.study_instance_uid;
  if (!study || !openStudies().includes(study) || !event.job_id) return;
  const known = jobs.all().find(job => job.job_id === event.job_id);
  jobs.take(event);
  const name = event.data.series_description || 'the series';
  if (event.type === 'queued') toast(ohif, 'AI analysis queued', name, 'info');
  if (event.type === 'running' && known?.label !== 'running') toast(ohif, 'AI analysis running', name, 'info');
  if (event.type === 'failed') toast(ohif, 'AI analysis failed', event.data.reason ?? name, 'error');
  if (event.type === 'complete') await complete(ohif, study, event, name);
}

async function complete(ohif: Ohif, study: string, event: LiveEvent, name: string): Promise<void> {
  const seg = event.data.results?.seg ?? null;
  try {
    const shown = await showResult(ohif, study, event.series_instance_uid, seg);
    const message = shown === 'overlaid' ? `${name}: the segmentation is shown` : `${name}: in the series list`;
    toast(ohif, 'AI result stored (unverified)', message, 'success');
  } catch (error) {
    console.warn('The result could not be shown:', error);
    toast(ohif, 'AI result stored', 'Reload the study to see it.', 'info');
  }
}

function activeSeries(ohif: Ohif): string | undefined {
  const { viewportGridService, displaySetService } = ohif.servicesManager.services;
  const { activeViewportId, viewports } = viewportGridService.getState();
  const [uid] = viewports.get(activeViewportId)?.displaySetInstanceUIDs ?? [];
  return displaySetService.getActiveDisplaySets().find(set => set.displaySetInstanceUID === uid)?.SeriesInstanceUID;
}

async function runAI(ohif: Ohif): Promise<void> {
  const [study] = openStudies();
  if (!study) return;
  try {
    await requestAnalysis(study, activeSeries(ohif));
  } catch (error) {
    toast(ohif, 'AI analysis not started', error instanceof Error ? error.message : String(error), 'error');
  }
}

/** After the mode's own set-up, which would wipe what is added before it. */
function addControls(ohif: Ohif): void {
  const { toolbarService, panelService } = ohif.servicesManager.services;
  toolbarService.register([
    {
      id: BUTTON,
      uiType: 'ohif.toolButton',
      props: {
        icon: 'tool-magnetic-roi',
        label: 'Run AI',
        tooltip: 'Run AI on the series of the active viewport',
        commands: [{ commandName: 'hounsfieldRunAI', commandOptions: {}, context: 'DEFAULT' }],
        evaluate: 'evaluate.action',
      },
    },
  ]);
  const primary = toolbarService.sections?.primary ?? 'primary';
  const present = toolbarService.getButtonSection?.(primary)?.map(button => button.id) ?? [];
  if (!present.includes(BUTTON)) toolbarService.updateSection(primary, [...present, BUTTON]);
  panelService.addPanel('right', PANEL);
}

const extension = {
  id: ID,
  version: '0.1.0',

  onModeEnter(ohif: Ohif) {
    openStudies().forEach(study => void jobs.load(study));
    feed = new Feed(
      event => void take(ohif, event),
      () => openStudies().forEach(study => void jobs.load(study))
    );
    feed.open();
    setTimeout(() => addControls(ohif), 0);
  },

  onModeExit() {
    feed?.close();
    feed = null;
  },

  getCommandsModule(ohif: Ohif) {
    return {
      definitions: { hounsfieldRunAI: { commandFn: () => runAI(ohif) } },
      defaultContext: 'DEFAULT',
    };
  },

  getPanelModule() {
    return [
      {
        name: 'analyses',
        iconName: 'tab-segmentation',
        iconLabel: 'AI',
        label: 'AI analyses',
        component: makePanel(jobs),
      },
    ];
  },
};

export default extension;
