/** The jobs of the open study, as the panel shows them; and asking for one. */

import type { LiveEvent } from './types.js';

export interface Job {
  job_id: string;
  series_instance_uid: string;
  series_description: string;
  model: { name: string; title?: string };
  label: string;
  progress: number;
  stage: string;
  reason: string | null;
}

export class JobList {
  private jobs = new Map<string, Job>();
  private listeners = new Set<() => void>();
  private view: Job[] = [];

  /** Newest first; the same array until something changes, as React asks of a store. */
  all = (): Job[] => this.view;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  async load(studyInstanceUID: string): Promise<void> {
    const answer = await fetch(`/api/jobs?study_instance_uid=${studyInstanceUID}&limit=50`);
    if (!answer.ok) return;
    const { items } = (await answer.json()) as { items: Job[] };
    this.jobs = new Map(items.reverse().map(job => [job.job_id, job]));
    this.changed();
  }

  take(event: LiveEvent): void {
    if (!event.job_id) return;
    const known = this.jobs.get(event.job_id);
    this.jobs.set(event.job_id, {
      job_id: event.job_id,
      series_instance_uid: event.series_instance_uid ?? known?.series_instance_uid ?? '',
      series_description: event.data.series_description ?? known?.series_description ?? '',
      model: { ...known?.model, name: event.data.model_name ?? known?.model.name ?? '' },
      label: event.type,
      progress: event.data.progress ?? known?.progress ?? 0,
      stage: event.data.stage ?? '',
      reason: event.data.reason ?? null,
    });
    this.changed();
  }

  private changed(): void {
    this.view = [...this.jobs.values()].reverse();
    this.listeners.forEach(listener => listener());
  }
}

/** Ask for an analysis. Throws an Error whose message is the server's reason. */
export async function requestAnalysis(study: string, series?: string): Promise<void> {
  const answer = await fetch('/api/jobs', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ study_instance_uid: study, series_instance_uid: series }),
  });
  if (answer.ok) return;
  const problem = (await answer.json().catch(() => null)) as { detail?: string } | null;
  throw new Error(problem?.detail ?? `The server answered ${answer.status}.`);
}
