// What a viewer does with the npm package dicomweb-client, in the page's own words. Bytes go back as
// base64, so that the test can hold them against what was sent.
async ({url, files, uids}) => {
  const client = new DICOMwebClient.api.DICOMwebClient({url, verbose: false});
  const {study, series, instance} = uids;
  const names = {studyInstanceUID: study, seriesInstanceUID: series, sopInstanceUID: instance};
  const said = {};

  const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0)).buffer;
  const text = buffer => {
    let made = '';
    for (const byte of new Uint8Array(buffer)) made += String.fromCharCode(byte);
    return btoa(made);
  };
  const texts = buffers => buffers.map(text);
  const picture = async ([buffer]) => {
    const made = await createImageBitmap(new Blob([buffer]));
    return [made.width, made.height];
  };
  const failure = async work => {
    try { await work; return 'it did not fail'; } catch (error) { return error.status; }
  };

  const answer = await client.storeInstances({datasets: files.map(bytes)});
  said.stored = JSON.parse(answer)['00081199'].Value.length;
  const again = await client.storeInstances({
    datasets: files.map(bytes), studyInstanceUID: study});
  said.storedAgain = JSON.parse(again)['00081199'].Value.length;

  said.studies = await client.searchForStudies({queryParams: {PatientName: 'Müller*'}});
  said.nobody = await client.searchForStudies({queryParams: {PatientID: 'nobody'}});
  said.anySeries = (await client.searchForSeries()).length;
  said.series = await client.searchForSeries({
    studyInstanceUID: study, queryParams: {Modality: 'SR'}});
  said.anyInstances = (await client.searchForInstances({queryParams: {limit: 2}})).length;
  said.ofStudy = (await client.searchForInstances({studyInstanceUID: study})).length;
  said.ofSeries = (await client.searchForInstances({
    studyInstanceUID: study, seriesInstanceUID: series})).length;

  said.studyMetadata = (await client.retrieveStudyMetadata(names)).length;
  said.seriesMetadata = (await client.retrieveSeriesMetadata(names)).length;
  const [metadata] = await client.retrieveInstanceMetadata(names);
  said.metadata = metadata;

  said.study = texts(await client.retrieveStudy(names));
  said.seriesFiles = texts(await client.retrieveSeries(names));
  said.instance = text(await client.retrieveInstance(names));
  const byUri = new DICOMwebClient.api.DICOMwebClient({url, wadoURLPrefix: 'wado'});
  const wado = await fetch(byUri.buildInstanceWadoURIUrl(names));
  said.wado = text(await wado.arrayBuffer());

  let progress = 0;
  said.frames = texts(await client.retrieveInstanceFrames({
    ...names, frameNumbers: [3, 1],
    request: {progressCallback: event => { progress = event.loaded; }}}));
  said.progress = progress;
  said.asStored = texts(await client.retrieveInstanceFrames({...names, frameNumbers: [2],
    mediaTypes: [{mediaType: 'application/octet-stream', transferSyntaxUID: '*'}]}));
  said.anyKind = texts(await client.retrieveInstanceFrames({...names, frameNumbers: [2],
    mediaTypes: [{mediaType: 'image/jls', transferSyntaxUID: '1.2.840.10008.1.2.4.80'},
      {mediaType: 'application/octet-stream', transferSyntaxUID: '1.2.840.10008.1.2.1'}]}));

  const BulkDataURI = metadata['7FE00010'].BulkDataURI;
  said.bulkdata = texts(await client.retrieveBulkData({BulkDataURI}));
  said.range = texts(await client.retrieveBulkData({BulkDataURI, byteRange: [2, 5]}));
  const single = new DICOMwebClient.api.DICOMwebClient({url, singlepart: true, verbose: false});
  said.single = texts(await single.retrieveBulkData({
    BulkDataURI, headers: {Accept: 'application/octet-stream'}}));

  const png = {...names, mediaTypes: [{mediaType: 'image/png'}]};
  const jpeg = {...names, mediaTypes: [{mediaType: 'image/jpeg'}]};
  const frame = {frameNumbers: [2]};
  said.pictures = [
    await picture(await client.retrieveInstanceRendered(names)),
    await picture(await client.retrieveInstanceRendered({
      ...png, queryParams: {viewport: '8,8', window: '100,200,linear'}})),
    await picture(await client.retrieveInstanceThumbnail(jpeg)),
    await picture(await client.retrieveInstanceFramesRendered({...png, ...frame})),
    await picture(await client.retrieveInstanceFramesThumbnail({...names, ...frame})),
  ];
  const [page] = await client.retrieveInstanceRendered({
    studyInstanceUID: study, seriesInstanceUID: uids.report[0], sopInstanceUID: uids.report[1],
    mediaTypes: [{mediaType: 'text/html'}]});
  said.page = new TextDecoder().decode(page);

  const unknown = {...names, studyInstanceUID: '1.2.3'};
  let intercepted = 0;
  client.errorInterceptor = error => { intercepted = error.status; };
  said.failures = [
    await failure(client.retrieveStudyMetadata(unknown)),
    await failure(client.retrieveInstanceFrames({...names, frameNumbers: [9]})),
    await failure(client.searchForStudies({queryParams: {StudyDate: 'yesterday'}})),
    intercepted,
  ];
  return said;
}
