/* Tables are read as written: types, quotes, line ends, encodings, several files, any threads. */
#define _GNU_SOURCE
#include "table_text.h"

static void reads_the_types(void)
{
    const char *const formats[] = {"%d/%m/%Y %H:%M"};
    const char *const missing[] = {"-1", "Data missing"};
    const struct column_spec specs[] = {
        {.name = "n",
         .source = "number",
         .type = COLUMN_NUMBER,
         .missing = missing,
         .missing_count = 2},
        {.name = "i", .source = "whole", .type = COLUMN_INTEGER},
        {.name = "b", .source = "flag", .type = COLUMN_BOOLEAN},
        {.name = "t",
         .source = "date",
         .second = "time",
         .type = COLUMN_TIMESTAMP,
         .formats = formats,
         .formats_count = 1},
        {.name = "c",
         .source = "kind",
         .type = COLUMN_CATEGORY,
         .missing = missing,
         .missing_count = 2},
        {.name = "x", .source = "id", .type = COLUMN_TEXT},
    };
    read_text("id,number,whole,flag,date,time,kind\n"
              " a1 , 1.5 ,3,YES,01/01/1970,00:01, car \n"
              "a2,-1,4.0,0,02/01/1970,00:00,Data missing\n"
              "a3,Data missing,,f,,12:00,bus\n"
              ",1e3,-7,,31/12/1969,23:59,car",
              specs, 6,
              "n=1.5 i=3 b=1 t=60 c=car x=a1\n"
              "n=? i=4 b=0 t=86400 c=? x=a2\n"
              "n=? i=? b=0 t=? c=bus x=a3\n"
              "n=1000 i=-7 b=? t=-60 c=car x=\n");
}

static void reads_line_ends_and_delimiters(void)
{
    const struct column_spec specs[] = {{.name = "a", .source = "a", .type = COLUMN_NUMBER},
                                        {.name = "c", .source = "c", .type = COLUMN_TEXT}};
    const char *const expected = "a=1 c=x\na=2 c=y\n";
    read_text("a,b,c\n1,,x\n2,,y\n", specs, 2, expected);
    read_text("a;b;c\r\n1;;x\r\n2;;y", specs, 2, expected);
    read_text("\xef\xbb\xbf"
              "a\tb\tc\n\n1\t\tx\n\n2\t\ty\n",
              specs, 2, expected);
    read_text("a|b|c\r\n1||x\r\n \r\n2||y\r\n", specs, 2, expected);
    read_text("\n\xef", NULL, 0, "!not UTF-8");
    read_text("a,b,c\n", specs, 2, "");
    read_text("a,b,c", specs, 2, "");
}

/* One column at a time, so that each has a value that stands out. */
static void knows_the_values(void)
{
    const char *const missing[] = {"99", "-1.5"};
    const struct column_spec number[] = {{.name = "n",
                                          .source = "n",
                                          .type = COLUMN_NUMBER,
                                          .missing = missing,
                                          .missing_count = 2}};
    read_text("n,m\n1,\n99,\n3,\n,\n-1.50,\n", number, 1, "n=1\nn=?\nn=3\nn=?\nn=?\n");
    read_text("n,m\n7,\n-0,\n-0.0,\n", number, 1, "n=7\nn=-0\nn=-0\n");
    read_text("n,m\n2.0,\n-5,\n", number, 1, "n=2\nn=-5\n");
    read_text("n,m\n0.1,\n1,\n", number, 1, "n=0.10000000000000001\nn=1\n");
    read_text("n,m\n0.5,\n+32768,\n", number, 1, "n=0.5\nn=32768\n");
    read_text("n,m\n16777217,\n9999999,\n", number, 1, "n=16777217\nn=9999999\n");
    read_text("n,m\n1e300,\n-1e-300,\n", number, 1, "n=1.0000000000000001e+300\nn=-1e-300\n");
    read_text("n,m\nx,\n99,\n", number, 1, "n=?\nn=?\n");
    read_text("n,m\n\"12\",\n 0.25 ,\n", number, 1, "n=12\nn=0.25\n");
}

static void undoes_quotes(void)
{
    const struct column_spec specs[] = {{.name = "a", .source = "a", .type = COLUMN_NUMBER},
                                        {.name = "c", .source = "c, d", .type = COLUMN_TEXT}};
    read_text("\"a\",\"c, d\"\n"
              "\"1\",\"x,\"\"y\"\"\"\r\n"
              "2, \" two\nlines \" \n"
              "3,5\" pipe\n",
              specs, 2, "a=1 c=x,\"y\"\na=2 c= two\nlines \na=3 c=5\" pipe\n");
}

static void names_what_is_wrong(void)
{
    const struct column_spec number[] = {{.name = "n", .source = "number", .type = COLUMN_NUMBER}};
    read_text("", number, 1, "!empty");
    read_text("numbr,b\n1,2\n", number, 1, "!did you mean 'numbr'");
    read_text("number,number\n1,2\n", number, 1, "!twice");
    read_text("number,b\n1,2\n3\n", number, 1, "!:3: 1 field where the header has 2: '3'");
    read_text("number,b\n1,\"2\n", number, 1, "!:2: a quote that is never closed");
    read_text("\xff\xfe"
              "n\0",
              number, 1, "!iconv -f UTF-16");
}

int main(void)
{
    const struct suite_test tests[] = {
        {"reads the types", reads_the_types},
        {"reads line ends and delimiters", reads_line_ends_and_delimiters},
        {"knows the values", knows_the_values},
        {"undoes quotes", undoes_quotes},
        {"names what is wrong", names_what_is_wrong},
        {NULL, NULL},
    };
    return run_suite("csv", tests);
}
