// GET of objects: of those that everybody may read, or by presigned URLs from a file that stays out of the recording.
import crypto from 'k6/crypto';
import http from 'k6/http';
import { answered, begin, end, params, plan, wait } from './dashcam.js';
export { handleSummary, options } from './dashcam.js';

const urls = plan.urls_file
  ? open(plan.urls_file).split('\n').map((line) => line.trim()).filter((line) => line)
  : plan.s3.objects.map((path) => `${plan.url}/${path.replace(/^\//, '')}`);

export default function () {
  const number = begin();
  const url = urls[number % urls.length];
  const asked = params('GET object', { responseType: 'binary' });
  wait(number);
  const response = http.get(url, asked);
  if (!answered(response)) return;
  const size = response.body ? response.body.byteLength : 0;
  const counted = { received_bytes: size };
  const length = Number(response.headers['Content-Length']);
  if (Number.isInteger(length) && length !== size) return end('truncated', `${size} of ${length} bytes`, counted);
  const tag = (response.headers.Etag || response.headers.ETag || '').replace(/"/g, '');
  // An ETag of 32 hex digits is the MD5 of an object that was put in one piece.
  if (plan.s3.verify && /^[0-9a-f]{32}$/.test(tag) && crypto.md5(response.body, 'hex') !== tag) return end('checksum', `not ${tag}`, counted);
  end('ok', '', counted);
}
