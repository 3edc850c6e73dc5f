// The interface in the reader's language.

const WORDS = { en: WORDS_EN, zh: WORDS_ZH };
let language = 'en';

/** Words of the interface. Some need values: those are functions of them. */
function t(key, values) {
  const words = WORDS[language][key];
  if (words === undefined) throw new Error(`no words for ${key}`);
  return typeof words === 'function' ? words(values) : words;
}

const number = (value) => value.toLocaleString(language === 'zh' ? 'zh-CN' : 'en-GB');
const LOCALES = { en: 'en-GB', zh: 'zh-CN' };

function time(at) {
  const when = new Date(at);
  const isToday = when.toDateString() === new Date().toDateString();
  const form = isToday ? { timeStyle: 'short' } : { dateStyle: 'medium', timeStyle: 'short' };
  return new Intl.DateTimeFormat(LOCALES[language], form).format(when);
}

function languageName(tag) {
  try {
    return new Intl.DisplayNames([LOCALES[language]], { type: 'language' }).of(tag) || tag;
  } catch {
    return tag;
  }
}

/** `short of words` of `short_of_words`; in Chinese the name that a known code has there. */
const codeWords = (code) => (language === 'zh' && Object.hasOwn(CODES_ZH, code) ? CODES_ZH[code] : code.replaceAll('_', ' '));
const typeName = (type) => type.replaceAll('_', ' ');
const fieldName = (name) => name.replaceAll('_', ' ');
const reasonWords = (code) => about.reasons[language]?.[code] || codeWords(code);
const outcomeWords = (outcome) => t(`outcome_${outcome}`);

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
