import { describe, expect, test } from "vitest";
import { compileDateFormat } from "../../../src/orders/sources/date-format.ts";
import { FileDates } from "../../../src/orders/sources/dates.ts";

const isoOf = (us: number | null) => (us === null ? null : new Date(us / 1000).toISOString());

/** What each date of a file is read as, or why it is refused; `told` is what the user is told of it. */
function readFile(
  texts: string[],
  { format, isRetail = false }: { format?: string; isRetail?: boolean } = {},
) {
  const dates = new FileDates(format, isRetail);
  const attempt = (read: () => string | null) => {
    try {
      return read();
    } catch (thrown) {
      return (thrown as Error).message;
    }
  };
  const looked = texts.map((text, index) => {
    try {
      return { value: dates.look(text, index + 2) };
    } catch (thrown) {
      return { fault: (thrown as Error).message };
    }
  });
  const { read, told } = dates.settle();
  const read_ = looked.map(
    ({ value, fault }) =>
      fault ?? attempt(() => (typeof value === "string" ? isoOf(read(value)) : isoOf(value ?? null))),
  );
  return { read: read_, told };
}

describe("a file without a stated format", () => {
  test.each([
    ["2010-12-01", "2010-12-01T00:00:00.000Z"],
    ["2010-12-01 08:26:00", "2010-12-01T08:26:00.000Z"],
    ["2010-12-01T08:26:00.25+02:00", "2010-12-01T06:26:00.250Z"],
    ["2010-12-01T08:26Z", "2010-12-01T08:26:00.000Z"],
    ["2010-12-01T08:26+0200", "2010-12-01T06:26:00.000Z"],
    ["5/5/2010", "2010-05-05T00:00:00.000Z"],
    ["13/12/2010", "2010-12-13T00:00:00.000Z"],
    ["12/13/2010 8:26", "2010-12-13T08:26:00.000Z"],
    ["31.1.24 11:05 pm", "2024-01-31T23:05:00.000Z"],
    ["29-02-2024", "2024-02-29T00:00:00.000Z"],
  ])("reads %s, which can only be one day", (text, iso) => {
    expect(readFile([text]).read).toEqual([iso]);
  });

  test("has no date where a field is empty", () => {
    expect(readFile([""]).read).toEqual([null]);
  });

  // It was always the 12th of January.
  test.each([
    "01/12/2010",
    "1/12/10",
    "1.12.2010 8:26",
    "01-12-2010",
  ])("refuses %s, which can be two days", (text) => {
    expect(readFile([text]).read).toEqual([
      `date "${text}": can be day/month or month/day; --date-format says which: DD/MM/YYYY or MM/DD/YYYY, with HH:mm where there is a time`,
    ]);
  });

  test("is read as its one unambiguous date shows, wherever that stands", () => {
    expect(readFile(["01/12/2010", "13/12/2010", "1/2/2011"])).toEqual({
      read: ["2010-12-01T00:00:00.000Z", "2010-12-13T00:00:00.000Z", "2011-02-01T00:00:00.000Z"],
      told: 'dates are read as D/M/Y, as "13/12/2010" in line 3 shows',
    });
    expect(readFile(["01/12/2010", "12/13/2010"]).read[0]).toBe("2010-01-12T00:00:00.000Z");
  });

  test("that contradicts itself has none of such dates", () => {
    const { read } = readFile(["13/12/2010", "12/13/2010", "01/12/2010", "2010-12-01"]);
    const why = '"13/12/2010" in line 2 and "12/13/2010" in line 3 contradict each other';
    for (const reason of read.slice(0, 3)) expect(reason).toContain(why);
    expect(read[3]).toBe("2010-12-01T00:00:00.000Z");
  });

  // They were stored without a date, and nobody was told.
  test.each([
    ["99/99/2010", "no day or time of the calendar"],
    ["31/02/2024", "no day or time of the calendar"],
    ["2024-02-30", "no day or time of the calendar"],
    ["2010-13-01", "no day or time of the calendar"],
    ["2010-12-01 24:00", "no day or time of the calendar"],
    ["13/12/2010 25:00", "no day or time of the calendar"],
    ["13/12/2010 13:00 PM", "no day or time of the calendar"],
    ["yesterday", "cannot be read; --date-format"],
    ["2010/12/01", "cannot be read; --date-format"],
    ["20101201", "cannot be read; --date-format"],
    ["1.Dec 2010", "cannot be read; --date-format"],
    ["1969-12-31", "is before 1970"],
  ])("refuses %s", (text, reason) => {
    expect(readFile([text]).read).toEqual([expect.stringContaining(reason)]);
  });
});

describe("a retail file", () => {
  const isRetail = true;
  test("has month/day/year where it is written as the public files write it, and says so", () => {
    expect(readFile(["12/1/10 8:26", "12/1/2010 8:26", "01/12/2010 08:26"], { isRetail })).toEqual({
      read: [
        "2010-12-01T08:26:00.000Z",
        "2010-12-01T08:26:00.000Z",
        expect.stringContaining("day/month or month/day"),
      ],
      told: 'dates are read as M/D/Y H:mm, as the public retail files have them ("12/1/10 8:26" in line 2 is 2010-12-01); --date-format says otherwise',
    });
  });

  test("is read otherwise where its dates show it", () => {
    expect(readFile(["12/1/10 8:26", "13/1/10 8:26"], { isRetail }).read[0]).toBe("2010-01-12T08:26:00.000Z");
  });
});

describe("a stated format", () => {
  test.each([
    ["DD/MM/YYYY HH:mm", "1/12/2010 8:26", "2010-12-01T08:26:00.000Z"],
    ["MM/DD/YYYY", "01/12/2010", "2010-01-12T00:00:00.000Z"],
    ["D.M.YY", "1.12.68", "2068-12-01T00:00:00.000Z"],
    ["D.M.YY", "1.12.99", "1999-12-01T00:00:00.000Z"],
    ["YYYYMMDD", "20101201", "2010-12-01T00:00:00.000Z"],
    ["YYYYMMDDTHHmmssZ", "20101201T082600Z", "2010-12-01T08:26:00.000Z"],
    ["DD-MMM-YYYY", "01-dec-2010", "2010-12-01T00:00:00.000Z"],
    ["M/D/YYYY h:mm A", "12/1/2010 12:05 AM", "2010-12-01T00:05:00.000Z"],
    [
      "M/D/YYYY hh:mm:ss A",
      "12/1/2010\u202f1:05:06 PM".replace("2010\u202f", "2010 "),
      "2010-12-01T13:05:06.000Z",
    ],
    ["YYYY-MM-DD HH:mm:ss Z", "2010-12-01 08:26:00.5 -0130", "2010-12-01T09:56:00.500Z"],
  ])("%s reads %s", (format, text, iso) => {
    expect(readFile([text], { format }).read).toEqual([iso]);
  });

  test.each([
    ["DD/MM/YYYY", "13/12/2010 8:26"],
    ["DD/MM/YYYY", "12/13/2010"],
    ["DD/MM/YYYY", "31/02/2010"],
    ["DD/MM/YYYY", "2010-12-01"],
    ["DD/MM/YYYY HH:mm", "13/12/2010"],
    ["YYYYMMDD", "2010121"],
  ])("%s refuses %s", (format, text) => {
    expect(readFile([text], { format }).read).toEqual([`date "${text}" is not a date written ${format}`]);
  });

  test.each([
    "dd/mm/yyyy",
    "%d/%m/%Y",
    "DD/MM",
    "DD/MM/YYYY DD",
    "DD/MM/YYYY hh:mm",
    "DD/MM/YYYY HH:mm A",
    "",
  ])("%j is none", (format) => {
    expect(() => compileDateFormat(format)).toThrow(
      expect.objectContaining({ code: "usage", message: expect.stringContaining("--date-format") }),
    );
  });
});
