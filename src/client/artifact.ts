/** An artifact as the API answers it; `/openapi.json` explains its fields. */
export interface Artifact {
  id: string;
  bucket: string;
  key: string;
  name: string;
  entity?: string;
  user?: string;
  agent_id?: string;
  session_id?: string;
  metadata: Record<string, unknown>;
  status: 'reserved' | 'stored' | 'deleting' | 'deleted' | 'abandoned' | 'expired';
  content_type: string;
  size_bytes: number;
  /** 64 hexadecimal digits. */
  sha256?: string;
  /** `verified`: the server has computed `sha256` over the stored bytes. */
  checksum: 'verified' | 'unverified';
  version_id?: string;
  etag?: string;
  version_count: number;
  legal_hold: boolean;
  retention?: { mode: 'GOVERNANCE' | 'COMPLIANCE'; retain_until: string };
  created_at: string;
  updated_at: string;
  stored_at?: string;
  revision: number;
  /** The upload under way. */
  upload?: { size_bytes: number };
}

export interface PartInstructions {
  part_number: number;
  offset_bytes: number;
  size_bytes: number;
  url: string;
}

/** How the server wants the bytes to be sent. */
export interface UploadInstructions {
  method: 'PUT' | 'POST' | 'multipart';
  url?: string;
  headers?: Record<string, string>;
  fields?: Record<string, string>;
  /** Those that have not arrived. */
  parts?: PartInstructions[];
}

export type ArtifactWithUpload = Omit<Artifact, 'upload'> & { upload: UploadInstructions };
