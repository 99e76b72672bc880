/** The parts of OHIF's services that the extension uses, and the events of our change feed. */

export interface LiveEvent {
  sequence: number;
  type: string;
  study_instance_uid: string | null;
  series_instance_uid: string | null;
  job_id: string | null;
  data: {
    progress?: number;
    stage?: string;
    reason?: string | null;
    model_name?: string;
    series_description?: string;
    results?: { seg: Result | null; sr: Result | null };
  };
}

export interface Result {
  series_instance_uid: string;
  sop_instance_uid: string;
}

export interface DisplaySet {
  displaySetInstanceUID: string;
  StudyInstanceUID: string;
  SeriesInstanceUID: string;
  Modality: string;
  isOverlayDisplaySet?: boolean;
  referencedDisplaySetInstanceUID?: string;
}

export interface Viewport {
  viewportId: string;
  displaySetInstanceUIDs: string[];
}

export interface Services {
  uiNotificationService: {
    show(options: {
      title: string;
      message: string;
      type: 'info' | 'success' | 'warning' | 'error';
      duration?: number;
      id?: string;
    }): void;
  };
  displaySetService: {
    getActiveDisplaySets(): DisplaySet[];
    getDisplaySetsForSeries(uid: string): DisplaySet[];
  };
  viewportGridService: {
    getState(): { activeViewportId: string; viewports: Map<string, Viewport> };
  };
  toolbarService: {
    register(buttons: object[]): void;
    updateSection(section: string, ids: string[]): void;
    getButtonSection?(section: string): { id: string }[] | undefined;
    sections?: Record<string, string>;
  };
  panelService: {
    addPanel(position: string, id: string, options?: object): void;
  };
}

export interface DataSource {
  retrieve: {
    series: { metadata(query: { StudyInstanceUID: string }): Promise<unknown> };
  };
  deleteStudyMetadataPromise(uid: string): void;
  getConfig?(): { name?: string };
}

export interface Ohif {
  servicesManager: { services: Services };
  commandsManager: { runCommand(name: string, options?: object): unknown };
  extensionManager: { getActiveDataSource(): DataSource[]; activeDataSource?: string };
}
