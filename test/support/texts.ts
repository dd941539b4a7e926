import fc from 'fast-check';
import type { Language } from '../../src/config.js';

/** Words with the endings that each stemmer works on, with their accents. */
const WORDS: Record<Language, string> = {
  english: `the running runner ran flies universities international generously organization national hopefully dying
    skis news don't it's relational conditional rational vietnamization predication operator feudalism decisiveness
    hopefulness callousness formality sensitivity sensibility by say cry enjoying agreed plastered motoring hissing`,
  portuguese: `ações ação informação informações rapidamente cidades português você não coração corações falaríamos
    comêssemos dirigindo existência oceânicas petróleo lógica amável amáveis útil porque construído países água`,
  spanish: `canción canciones rápidamente niños haciendo dígamelo comprándoselo averigüe años construyendo leyéndolas
    absolutamente amabilidades lógica vergüenza pingüino también qué corazón habríamos oyeron`,
  french: `élèves continuité naïveté œuvre finissaient heureusement européenne l'homme aujourd'hui qu'elle c'est
    généralement maïs où dédaigneusement majestueusement travailleuses évidemment constamment fatigué yeux`,
  german: `häuser straße Straßen größe aufeinanderfolgenden kategorien schönheiten möglichkeiten ärgerlich über übung
    quelle bauen neue Ämter Füße lieblich künstlichkeit steuer gäbe aeroplan Goethe`,
  italian: `perché città università abbandonata abbandonando dell'acqua nell'anno propizi sinceramente amabilità
    trasformazioni quella gliel più è così dirglielo quieti aiuola portandogliele`,
};

const ODD = `Straße İstanbul ışık ΣΊΣΥΦΟΣ ΟΔΟΣ Ὀδυσσεύς москва объём 北京 東京都 서울 한국어 ไทย हिन्दी עברית العربية Þór Łódź
  đồng œuf Æther ﬁnance ǅungla Ⅻ ² ½ x² 3.14 1,000 10% w2bcx C++ #tag @me a_b foo-bar 192.168.0.1 ʼ hawaiʼi 𝒳 𠀀 ½cup 😀
  x😀y 👨‍👩‍👧 “quoted” — … ¿qué? «là» e\u0301te\u0301 a\u0308hnlich n\u0303 \u0301 \u200b zero\u200bwidth soft\u00adhyphen non\u00a0breaking \ufeffbom`;

const split = (text: string) => text.trim().split(/\s+/);

const wordOf = (language: Language) =>
  fc
    .tuple(
      fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom(...split(WORDS[language])) },
        { weight: 3, arbitrary: fc.constantFrom(...split(ODD)) },
        {
          weight: 2,
          arbitrary: fc.stringMatching(/^[a-z]{1,9}(ation|ing|ed|ly|mente|heit|ung|eur|ismo|issement)?s?$/),
        },
      ),
      fc.constantFrom(...['as it is', 'as it is', 'NFD', 'upper', 'title']),
    )
    .map(([word, form]) => {
      if (form === 'NFD') return word.normalize('NFD');
      if (form === 'upper') return word.toUpperCase();
      return form === 'title' ? word.slice(0, 1).toUpperCase() + word.slice(1) : word;
    });

const spaces = fc.constantFrom(' ', ' ', ' ', ', ', '. ', "'", '’', '-', '\n', '\t', '\u2003', '/', '');

const joined = (pieces: [string, string][]) => pieces.flat().join('');

/** Words of a language between all sorts of scripts, marks and spaces, and now and then any characters whatever. */
export const hardTexts = (language: Language) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.array(fc.tuple(wordOf(language), spaces), { minLength: 1, maxLength: 12 }).map(joined) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }) },
    { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 30 }) },
  );

/** Passages that share words. */
export const passageTexts = (language: Language) =>
  fc.array(fc.tuple(wordOf(language), spaces), { minLength: 1, maxLength: 12 }).map(joined);

/** What somebody might ask of such passages. */
export const questions = (language: Language) =>
  fc.array(wordOf(language), { minLength: 1, maxLength: 3 }).map((words) => words.join(' '));
