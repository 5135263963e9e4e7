// Where a photograph was taken, as its EXIF block tells: read in the browser, so that it leaves the device only
// if the citizen uses it. Source: Exif 2.32 (tags of the GPS directory), TIFF 6.0 (directories and their entries).

const EXIF = 0x45786966;
const GPS_DIRECTORY = 0x8825;
const [LATITUDE_REF, LATITUDE, LONGITUDE_REF, LONGITUDE] = [1, 2, 3, 4];
const START_BYTES = 256 * 1024; // EXIF stands at the beginning

export async function placeOfPhoto(file) {
  const view = new DataView(await file.slice(0, START_BYTES).arrayBuffer());
  try {
    const tiff = exifBlock(view);
    return tiff && gpsPlace(tiff);
  } catch (error) {
    if (error instanceof RangeError) return null; // the block ends too early
    throw error;
  }
}

function exifBlock(view) {
  if (view.getUint16(0) !== 0xffd8) return null; // no JPEG
  for (let at = 2; view.getUint8(at) === 0xff; at += 2 + view.getUint16(at + 2)) {
    const isExif = view.getUint8(at + 1) === 0xe1 && view.getUint32(at + 4) === EXIF;
    if (isExif) return new DataView(view.buffer, at + 10);
    if (view.getUint8(at + 1) === 0xda) return null; // the picture begins
  }
  return null;
}

function gpsPlace(tiff) {
  const little = tiff.getUint16(0) === 0x4949;
  const pointer = entries(tiff, tiff.getUint32(4, little), little).get(GPS_DIRECTORY);
  if (pointer === undefined) return null;
  const gps = entries(tiff, tiff.getUint32(pointer + 8, little), little);
  if (!gps.has(LATITUDE) || !gps.has(LONGITUDE)) return null;
  const latitude = degrees(tiff, gps.get(LATITUDE), gps.get(LATITUDE_REF), "S", little);
  const longitude = degrees(tiff, gps.get(LONGITUDE), gps.get(LONGITUDE_REF), "W", little);
  const isPlace = Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180; // not where a part is 0/0
  return isPlace ? { latitude, longitude } : null;
}

function entries(tiff, directory, little) {
  const found = new Map();
  const count = tiff.getUint16(directory, little);
  for (let entry = directory + 2; entry < directory + 2 + 12 * count; entry += 12) {
    found.set(tiff.getUint16(entry, little), entry);
  }
  return found;
}

function degrees(tiff, entry, reference, negative, little) {
  const at = tiff.getUint32(entry + 8, little); // three fractions: degrees, minutes, seconds
  const part = (number) => tiff.getUint32(at + 8 * number, little) / tiff.getUint32(at + 8 * number + 4, little);
  const value = part(0) + part(1) / 60 + part(2) / 3600;
  const isNegative = reference !== undefined && tiff.getUint8(reference + 8) === negative.charCodeAt(0);
  return Number((isNegative ? -value : value).toFixed(6));
}
