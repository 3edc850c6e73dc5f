// The interface in the reader's language.

const WORDS = { en: WORDS_EN, zh: WORDS_ZH };
let language = 'en';

/** Words of the interface. Some need values: those are functions of them. */
function t(key, values) {
  const words = WORDS[language][key];
  if (words === undefined) throw new Error(`no words for ${key}`);
  return typeof words === 'function' ? words(values) : words;
}

const LOCALES = { en: 'en-GB', zh: 'zh-CN' };
const formats = new Map();

/** What `make` makes for the language that is set: each is slow to make, and asked for at every key. */
function format(name, make) {
  const key = `${language} ${name}`;
  if (!formats.has(key)) formats.set(key, make(LOCALES[language]));
  return formats.get(key);
}

const number = (value) => format('number', (locale) => new Intl.NumberFormat(locale)).format(value);

function time(at) {
  const when = new Date(at);
  const isToday = when.toDateString() === new Date().toDateString();
  const day = isToday ? {} : { dateStyle: 'medium' };
  return format(`time ${isToday}`, (locale) => new Intl.DateTimeFormat(locale, { ...day, timeStyle: 'short' })).format(when);
}

function languageName(tag) {
  try {
    return format('language', (locale) => new Intl.DisplayNames([locale], { type: 'language' })).of(tag) || tag;
  } catch {
    return tag;
  }
}

/** What an object has under a name that may be anyone's. */
const own = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);

/** `short of words` of `short_of_words`; in Chinese the name that a known code has there. */
const named = (name, chinese) => (language === 'zh' && Object.hasOwn(chinese, name) ? chinese[name] : name.replaceAll('_', ' '));
const codeWords = (code) => (language === 'en' && Object.hasOwn(CODES_EN, code) ? CODES_EN[code] : named(code, CODES_ZH));
const typeName = (type) => own(about.words[language].types, type) ?? named(type, {});
const fieldName = (name) => named(name, FIELDS_ZH);
const reasonWords = (code) => own(about.words[language].reasons, code) ?? codeWords(code);
const filterWords = (name) => own(about.words[language].filters, name) ?? codeWords(name);

/** What became of a row, in the words of sheets; what the page alone tells apart has its own. */
const outcomeWords = (outcome) => capitalised(own(about.words[language].outcomes, outcome) ?? t(`outcome_${outcome}`));
const capitalised = (words) => words.slice(0, 1).toLocaleUpperCase(LOCALES[language]) + words.slice(1);

/** A short form in which texts of a language are counted: words, or characters. */
const isPerCharacter = (tag) => ['zh', 'ja'].includes(tag.replaceAll('_', '-').split('-')[0].toLowerCase());

const CJK = /[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]/g;
const WORD = /[\p{L}\p{N}\p{M}_]+(?:['’.,-][\p{L}\p{N}\p{M}_]+)*/gu;

/** The length of a text as its language counts it. */
function countWords(text, tag) {
  const count = (pattern, where) => (where.match(pattern) || []).length;
  return isPerCharacter(tag) ? count(CJK, text) + count(WORD, text.replace(CJK, ' ')) : count(WORD, text);
}

function firstLanguage() {
  if (liked.language) return liked.language;
  const asked = (navigator.languages || [navigator.language]).map((tag) => tag.slice(0, 2).toLowerCase());
  return asked.find((tag) => tag in WORDS) || about.language;
}

function setLanguage(chosen) {
  language = chosen;
  document.documentElement.lang = chosen === 'zh' ? 'zh-Hans' : 'en';
  document.title = `${t('review')} · ${about.run_id}`;
  for (const element of document.querySelectorAll('[data-word]')) element.textContent = t(element.dataset.word);
}
