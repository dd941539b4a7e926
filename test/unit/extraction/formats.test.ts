import { describe, expect, test } from 'vitest';
import { type Kind, kindOf } from '../../../src/extraction/kinds.js';
import { readFile } from '../../../src/extraction/read.js';
import { documentXml, docxOf, linesOfPage, pdfOf } from './files.js';

const MAX_TEXT_BYTES = 2_000_000;
const read = (kind: Kind, content: string | Uint8Array, maxTextBytes = MAX_TEXT_BYTES) =>
  readFile(kind, typeof content === 'string' ? Buffer.from(content) : content, maxTextBytes);
const textOf = async (kind: Kind, content: string | Uint8Array) => (await read(kind, content)).text;
const lines = (...all: string[]) => all.join('\n');

test.each([
  ['text/html; charset=utf-8', 'page', 'html'],
  ['Application/PDF', 'x.txt', 'pdf'],
  ['application/octet-stream', 'a.b/Report.DOCX', 'docx'],
  ['text/plain', 'rows.csv', 'csv'],
  ['text/plain', 'README', 'text'],
  ['text/plain', 'trace.log', 'text'],
  ['application/x-ndjson', '', 'ndjson'],
  ['application/octet-stream', 'photo.png', undefined],
  ['application/octet-stream', 'pdf', undefined],
  ['image/png', 'really.txt', undefined],
  ['', 'notes.txt', undefined],
])('a file of type %j named %j is read as %s', (content_type, name, kind) => {
  expect(kindOf({ content_type, name })).toBe(kind);
});

describe('text', () => {
  test.each([
    ['UTF-8', Buffer.from('Olá, 10 €')],
    ['UTF-8 with a mark', Buffer.from('\uFEFFOlá, 10 €')],
    ['UTF-16 little endian', Buffer.from('\uFEFFOlá, 10 €', 'utf16le')],
    ['UTF-16 big endian', Buffer.from('\uFEFFOlá, 10 €', 'utf16le').swap16()],
    ['windows-1252', Buffer.from('Ol\xe1, 10 \x80', 'latin1')],
  ])('is read from %s', async (_charset, bytes) => {
    expect(await textOf('text', bytes)).toBe('Olá, 10 €');
  });

  test('keeps its form, but for line ends and what no database takes', async () => {
    expect(await textOf('text', '---\na: 1\n---\r\n# Title\r\n\r\n    code\tx\u0007\r- item\n\n\n')).toBe(
      '---\na: 1\n---\n# Title\n\n    code\tx\n- item',
    );
  });

  test('that is none, is refused', async () => {
    await expect(read('text', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 0xff]))).rejects.toMatchObject({
      code: 'extraction:failed',
      detail: 'it is not text',
    });
  });

  test.each<Kind>(['text', 'html', 'csv', 'ndjson'])('that is empty as %s is said to be', async (kind) => {
    await expect(read(kind, ' \n\t \n')).rejects.toMatchObject({ code: 'extraction:empty' });
  });

  test('is bounded as UTF-8, to the byte', async () => {
    expect(await read('text', 'áé', 4)).toEqual({ text: 'áé' });
    await expect(read('text', 'áéx', 4)).rejects.toMatchObject({ code: 'extraction:too_costly' });
  });
});

describe('HTML', () => {
  test('becomes what a reader sees', async () => {
    const page = `<!doctype html><html><head><title> Caf&eacute;
      &amp; Co </title><style>p { color: red }</style><script>var secret = "<p>no</p>";</script></head>
      <body><h1>Menu</h1><p>Coffee&nbsp;is <b>3&#8364;</b>,<br>tea  is
      2&euro;.</p><noscript>no</noscript><p hidden>no</p><ul><li>one</li><li>two <i>and</i> a half</li></ul>
      <table><tr><th>Name</th><th>Price</th></tr><tr><td>Espresso</td><td> 1,20 </td></tr></table>
      <pre>a  b
  c</pre><svg><title>no</title></svg><img src="x" alt="A red cup"><div>last<div>inner</div></div></body></html>`;
    expect(await read('html', page)).toEqual({
      title: 'Café & Co',
      text: lines(
        'Menu',
        '',
        'Coffee is 3€,',
        'tea is 2€.',
        '',
        '- one',
        '- two and a half',
        '',
        'Name | Price',
        'Espresso | 1,20',
        '',
        'a  b',
        '  c',
        '',
        'A red cup',
        'last',
        'inner',
      ),
    });
  });

  test('may be broken, and deep', async () => {
    expect(await textOf('html', `${'<div>'.repeat(10_000)}deep <b>text`)).toBe('deep text');
    expect(await textOf('html', '<p>a</b><p>b</td>&nosuch; &eacute <3')).toBe('a\n\nb&nosuch; é <3');
  });
});

describe('CSV', () => {
  test('becomes a line a row, each value with its header', async () => {
    const csv = 'Name,City,"Note, long"\r\nAna,Porto,"said ""yes"",\r\nthen left"\r\nRui,,\r\n\r\nZé,Faro,x,extra\r\n';
    expect(await textOf('csv', csv)).toBe(
      lines(
        'Name: Ana; City: Porto; Note, long: said "yes", then left',
        'Name: Rui',
        'Name: Zé; City: Faro; Note, long: x; extra',
      ),
    );
  });

  test('may be parted by semicolons or tabs, and be of headers only', async () => {
    expect(await textOf('csv', 'a;b\n1,5;x\n')).toBe('a: 1,5; b: x');
    expect(await textOf('csv', 'a\tb\n1\t2\n')).toBe('a: 1; b: 2');
    expect(await textOf('csv', 'alpha,beta\n')).toBe('alpha; beta');
  });

  test('with a quote that never ends is refused', async () => {
    await expect(read('csv', 'a,b\n"1,2\n3,4\n')).rejects.toMatchObject({
      code: 'extraction:failed',
      detail: 'it is not CSV',
    });
  });
});

describe('JSON', () => {
  test('becomes a line a value, each with its path', async () => {
    const value = {
      title: 'Orders',
      empty: '',
      none: null,
      tags: ['red', 'blue'],
      orders: [
        { id: 7, customer: { name: 'Ana', vip: true } },
        { id: 8, lines: [] },
      ],
    };
    expect(await textOf('json', JSON.stringify(value, null, 2))).toBe(
      lines(
        'title: Orders',
        'tags: red',
        'tags: blue',
        '',
        'orders.id: 7',
        'orders.customer.name: Ana',
        'orders.customer.vip: true',
        '',
        'orders.id: 8',
      ),
    );
    expect(await textOf('json', '"just \\ud800 this\\u0000"')).toBe('just \uFFFD this');
  });

  test('may come as lines', async () => {
    expect(await textOf('ndjson', '{"a":"x\u2028y"}\n\n{"a":2,"b":[3,4]}\r\n"z"')).toBe(
      lines('a: x\u2028y', '', 'a: 2', 'b: 3', 'b: 4', '', 'z'),
    );
  });

  test.each<[Kind, string, string, string]>([
    ['json', '{"a":', 'extraction:failed', 'it is not JSON'],
    ['ndjson', '{"a":1}\n\n{oops}', 'extraction:failed', 'line 3 is not JSON'],
    ['json', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'extraction:too_costly', 'more than 64 levels deep'],
  ])('as %s that is damaged or too deep is refused', async (kind, content, code, detail) => {
    await expect(read(kind, content)).rejects.toMatchObject({ code, detail });
  });
});

describe('PDF', () => {
  test('gives its pages, lines, accents and title', async () => {
    const pdf = pdfOf([linesOfPage(['Relatório anual', 'Receita: 10 (dez) milhões']), linesOfPage(['Página dois'])], {
      title: 'Relat\xf3rio 2024',
    });
    expect(await read('pdf', pdf)).toEqual({
      title: 'Relatório 2024',
      text: lines('Relatório anual', 'Receita: 10 (dez) milhões', '', 'Página dois'),
    });
  });

  test('without text is empty, and a damaged one is refused without a word of the library', async () => {
    await expect(read('pdf', pdfOf([Buffer.from('0 0 m 10 10 l S')]))).rejects.toMatchObject({
      code: 'extraction:empty',
    });
    const half = pdfOf([linesOfPage(['x'])]).subarray(0, 60);
    for (const damaged of [half, Buffer.from('%PDF-1.7\nnothing'), Buffer.from('hello')])
      await expect(read('pdf', damaged)).rejects.toMatchObject({
        code: 'extraction:failed',
        detail: 'it is not a PDF',
      });
  });
});

describe('DOCX', () => {
  const run = (text: string) => `<w:r><w:t xml:space="preserve">${text}</w:t></w:r>`;
  const paragraph = (...runs: string[]) =>
    `<w:p><w:pPr><w:tabs><w:tab w:val="left"/></w:tabs></w:pPr>${runs.join('')}</w:p>`;

  test('gives paragraphs, tables, notes and the title', async () => {
    const cell = (text: string) => `<w:tc><w:tcPr/>${paragraph(run(text))}</w:tc>`;
    const body = [
      paragraph(run('Olá '), run('mun'), run('do &amp; todos')),
      paragraph(run('first'), '<w:r><w:br/></w:r>', run('second'), '<w:r><w:tab/></w:r>', run('third')),
      paragraph(
        run('kept'),
        '<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>',
        `<w:moveFrom>${run('moved')}</w:moveFrom>`,
      ),
      paragraph(
        '<w:r><w:instrText>PAGE</w:instrText></w:r>',
        `<mc:AlternateContent><mc:Choice>${run('box')}</mc:Choice><mc:Fallback>${run('box')}</mc:Fallback></mc:AlternateContent>`,
      ),
      `<w:tbl><w:tr>${cell('Nome')}${cell('Valor')}</w:tr><w:tr>${cell('Ana')}${cell('10')}</w:tr></w:tbl>`,
      paragraph(run('end')),
    ].join('');
    const docx = docxOf({
      'word/document.xml': documentXml(body),
      'word/footnotes.xml': `<w:footnotes>${paragraph(run('a note'))}</w:footnotes>`,
      'docProps/core.xml': '<cp:coreProperties><dc:title>Acta n.º 3</dc:title></cp:coreProperties>',
      'word/media/image1.png': 'x',
    });
    expect(await read('docx', docx)).toEqual({
      title: 'Acta n.º 3',
      text: lines(
        'Olá mundo & todos',
        'first',
        'second third',
        'kept',
        'box',
        'Nome | Valor',
        'Ana | 10',
        '',
        'end',
        '',
        'a note',
      ),
    });
  });

  test('that unpacks to too much is refused before it is unpacked', async () => {
    const bomb = docxOf({ 'word/document.xml': documentXml(' '.repeat(68_000_000)) });
    expect(bomb.length).toBeLessThan(100_000);
    await expect(read('docx', bomb)).rejects.toMatchObject({ code: 'extraction:too_costly' });
  });

  test('that says it is smaller than it is, or is damaged, is refused', async () => {
    const lying = Buffer.from(docxOf({ 'word/document.xml': documentXml(paragraph(run('x'.repeat(5000)))) }));
    const directory = lying.indexOf('PK\x01\x02', 0, 'latin1');
    lying.writeUInt32LE(600, directory + 24);
    const others = [
      lying,
      lying.subarray(0, 300),
      docxOf({ 'xl/workbook.xml': '<workbook/>' }),
      docxOf({ 'word/document.xml': '' }),
      Buffer.from('PK'),
    ];
    for (const damaged of others)
      await expect(read('docx', damaged)).rejects.toMatchObject({
        code: 'extraction:failed',
        detail: 'it is not a DOCX',
      });
  });
});
