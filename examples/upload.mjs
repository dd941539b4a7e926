// Stores a file and prints where it can be downloaded, after `npm run build`:
//   API=http://127.0.0.1:8080 KEY=acv_… node examples/upload.mjs FILE [ID of an upload to go on with]
import { openAsBlob } from 'node:fs';
import { basename } from 'node:path';
import { createClient } from '../dist/client/index.js';

const [path, resume] = process.argv.slice(2);
const { API = 'http://127.0.0.1:8080', KEY } = process.env;
if (path === undefined || KEY === undefined) {
  console.error('KEY=acv_… node examples/upload.mjs FILE [ID]');
  process.exit(2);
}

const client = createClient({ url: API, key: KEY });
try {
  const artifact = await client.uploadArtifact(await openAsBlob(path), {
    name: basename(path),
    ...(resume === undefined ? {} : { resume }),
    onProgress: ({ artifact_id, sent_bytes, total_bytes }) =>
      console.error(`${artifact_id}: ${sent_bytes} of ${total_bytes} bytes`),
  });
  const { url } = await client.downloadUrl(artifact.id);
  console.log(`${artifact.status}, ${artifact.checksum}: ${artifact.sha256 ?? artifact.etag}`);
  console.log(url);
} catch (error) {
  console.error(`${error.message} (request ${error.request_id})`);
  process.exitCode = 1;
}
