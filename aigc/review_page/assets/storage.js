// What this browser keeps: decisions and drafts of this page, and how its reader likes pages to be.

const OURS = 'aigc.review/';
const HERE = `${OURS}${about.run_id}/${about.digest.slice(7, 23)}/`;

/** Why nothing more can be kept: '' while all is well, 'off' or 'full'. */
let keepingFailed = '';

function keep(key, value) {
  const text = JSON.stringify(value);
  try {
    localStorage.setItem(key, text);
    return true;
  } catch (error) {
    const isFull = error.name === 'QuotaExceededError';
    if (isFull && makeRoom()) return keep(key, value);
    keepingFailed = isFull ? 'full' : 'off';
    showNotice();
    return false;
  }
}

/** Pages on one disk share a browser's room. Those whose decisions are all exported give theirs up. Whether any did. */
function makeRoom() {
  const pages = new Map();
  for (const [rest, value] of keptUnder(OURS)) {
    const [run, digest, kind] = rest.split('/');
    const page = `${OURS}${run}/${digest}/`;
    if (!kind || page === HERE) continue;
    if (!pages.has(page)) pages.set(page, []);
    pages.get(page).push({ key: OURS + rest, isSafe: kind === 'place' || kind === 'c' || (kind === 'd' && Boolean(value?.exported)) });
  }
  const given = [...pages.values()].filter((keys) => keys.every(({ isSafe }) => isSafe)).flat();
  for (const { key } of given) drop(key);
  return given.length > 0;
}

function kept(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

function drop(key) {
  try {
    localStorage.removeItem(key);
  } catch {
    keepingFailed = 'off';
  }
}

/** All that is kept under names that begin with `prefix`, by the rest of the name. */
function keptUnder(prefix) {
  const found = new Map();
  try {
    for (let i = 0; i < localStorage.length; i += 1) {
      const key = localStorage.key(i);
      if (key.startsWith(prefix)) found.set(key.slice(prefix.length), kept(key));
    }
  } catch {
    keepingFailed = 'off';
  }
  return found;
}

/** Whether this browser keeps anything for a file at all. */
function tryKeeping() {
  if (keep(`${OURS}try`, 1)) drop(`${OURS}try`);
}

const liked = { editor: about.editor, theme: 'auto', language: '', keys: true, ...(kept(`${OURS}liked`) || {}) };
if (about.editor) liked.editor = about.editor;

function like(changes) {
  Object.assign(liked, changes);
  keep(`${OURS}liked`, liked);
}
