/** DICOM files for tests: a preamble, `DICM`, File Meta Information and some bytes. */

const encoder = new TextEncoder()

function element(number: number, vr: string, value: string): number[] {
  const data = [...encoder.encode(value.length % 2 ? `${value}\0` : value)]
  return [2, 0, number, 0, ...encoder.encode(vr), data.length & 0xff, data.length >> 8, ...data]
}

export function dicomFile(
  name: string,
  uid: string,
  { sopClass = '1.2.840.10008.5.1.4.1.1.4', size = 100 } = {},
): File {
  const version = [2, 0, 1, 0, ...encoder.encode('OB'), 0, 0, 2, 0, 0, 0, 0, 1]
  const meta = [...version, ...element(2, 'UI', sopClass), ...(uid ? element(3, 'UI', uid) : [])]
  const head = [...new Array<number>(128).fill(0), ...encoder.encode('DICM'), ...meta]
  return new File([new Uint8Array([...head, ...new Array<number>(size).fill(7)])], name)
}
