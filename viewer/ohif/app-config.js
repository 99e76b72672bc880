/* The viewer's configuration, in place of the package's own, whose data source is a demo server. */
window.config = {
  name: 'hounsfield',
  routerBasename: '/ohif/',
  extensions: ['/ohif/hounsfield/index.js'],
  modes: [],
  showStudyList: true,
  maxNumberOfWebWorkers: 3,
  showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: true,
  showLoadingIndicator: true,
  strictZSpacingForVolumeViewport: true,
  groupEnabledModesFirst: true,
  // A result that has just been made is shown without a question in between.
  disableConfirmationPrompts: true,
  maxNumRequests: { interaction: 100, thumbnail: 10, prefetch: 20 },
  investigationalUseDialog: { option: 'never' },
  defaultDataSourceName: 'hounsfield',
  dataSources: [
    {
      namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
      sourceName: 'hounsfield',
      configuration: {
        friendlyName: 'Hounsfield',
        name: 'hounsfield',
        qidoRoot: '/dicom-web',
        wadoRoot: '/dicom-web',
        wadoUriRoot: '/dicom-web',
        qidoSupportsIncludeField: true,
        imageRendering: 'wadors',
        thumbnailRendering: 'thumbnail',
        thumbnailRequestStrategy: 'fetch',
        enableStudyLazyLoad: true,
        supportsFuzzyMatching: false,
        supportsWildcard: true,
        supportsReject: false,
        dicomUploadEnabled: false,
        omitQuotationForMultipartRequest: true,
        bulkDataURI: { enabled: true },
      },
    },
  ],
  // Without it a failed frame throws "handler is not a function".
  httpErrorHandler: error => console.warn('DICOMweb request failed:', error?.status),
  whiteLabeling: {
    createLogoComponentFn: React => {
      window.hounsfieldReact = React;
      return React.createElement(
        'a',
        { href: '/', title: 'To the study list', style: { color: '#7dd3fc', fontWeight: 600 } },
        'Hounsfield'
      );
    },
  },
};
try {
  window.localStorage.setItem('shownTours', JSON.stringify(['basicViewerTour']));
} catch {
  // A browser that keeps nothing shows the tour; no harm done.
}
