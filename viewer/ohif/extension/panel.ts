/** The side panel: each analysis of the open study, with its progress and what came of it. */

import type { Job, JobList } from './jobs.js';

/** OHIF's own React, which the configuration's logo function is handed. */
interface ReactLike {
  createElement(type: unknown, props?: object | null, ...children: unknown[]): unknown;
  useSyncExternalStore<T>(subscribe: (listener: () => void) => () => void, get: () => T): T;
}

declare global {
  interface Window {
    hounsfieldReact?: ReactLike;
  }
}

const COLOURS: Record<string, string> = {
  complete: '#4ade80',
  failed: '#f87171',
  running: '#7dd3fc',
  queued: '#cbd5e1',
};

function row(react: ReactLike, job: Job): unknown {
  const h = react.createElement;
  const active = job.label === 'running' || job.label === 'queued';
  return h(
    'li',
    { key: job.job_id, 'data-job': job.job_id, style: { padding: '8px 0', borderBottom: '1px solid #1e293b' } },
    h('div', { style: { color: '#e2e8f0' } }, job.model.title || job.model.name || 'Analysis'),
    h('div', { style: { color: '#94a3b8' } }, job.series_description || 'Series without a description'),
    h('div', { style: { color: COLOURS[job.label] ?? '#94a3b8' } }, statusText(job)),
    active && bar(react, job.progress)
  );
}

function statusText(job: Job): string {
  if (job.label === 'running') return `${job.stage || 'running'}, ${job.progress} %`;
  return job.reason ? `${job.label}: ${job.reason}` : job.label;
}

function bar(react: ReactLike, percent: number): unknown {
  const h = react.createElement;
  const style = { height: 4, width: `${percent}%`, background: '#38bdf8', transition: 'width 200ms' };
  return h(
    'div',
    { role: 'progressbar', 'aria-valuenow': percent, style: { background: '#1e293b', marginTop: 4 } },
    h('div', { style })
  );
}

/** The panel's component. Server text only ever becomes a text node. */
export function makePanel(jobs: JobList): () => unknown {
  return function HounsfieldPanel() {
    const react = window.hounsfieldReact as ReactLike;
    const h = react.createElement;
    const list = react.useSyncExternalStore(jobs.subscribe, jobs.all);
    const notice = 'AI results are unverified and for research use.';
    return h(
      'div',
      { style: { padding: 12, fontSize: 13, overflowY: 'auto', height: '100%' } },
      h('p', { style: { color: '#fbbf24', marginBottom: 8 } }, notice),
      list.length === 0
        ? h('p', { style: { color: '#94a3b8' } }, 'No analysis of this study yet. "Run AI" starts one.')
        : h('ul', { style: { listStyle: 'none', padding: 0 } }, ...list.map(job => row(react, job)))
    );
  };
}
