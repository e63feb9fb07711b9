/* Configurations: what is read, and the message each mistake gets. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/config.h"
#include "suite.h"

static struct config *parse(const char *text)
{
    struct config *root;
    struct spot_error err = {0};
    if (config_parse(text, "c.yaml", &root, &err) != SPOT_OK) {
        printf("\n    %s\n", err.message);
        CU_FAIL("does not parse");
    }
    return root;
}

/* The message with which a text is refused, as a status and words that must occur in it. */
static void refuses(const char *text, const char *message)
{
    struct config *root;
    struct spot_error err = {0};
    CU_ASSERT_EQUAL(config_parse(text, "c.yaml", &root, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NULL(root);
    CU_ASSERT_EQUAL(err.code, SPOT_EUSAGE);
    if (strstr(err.message, message) == NULL) printf("\n    %s\n", err.message);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, message));
}

static void reads_a_tree(void)
{
    struct config *root = parse("# job\n"
                                "input:\n"
                                "  files: [a.csv, \"b.csv\"]\n"
                                "kmeans: {k: 5, tol: 1e-4, compact: true}\n"
                                "note: |\n"
                                "  two\n"
                                "  lines\n");
    CU_ASSERT_EQUAL(root->kind, CONFIG_MAP);
    CU_ASSERT_EQUAL(root->count, 3);
    CU_ASSERT_STRING_EQUAL(root->file, "c.yaml");
    const struct config *input = config_get(root, "input");
    CU_ASSERT_EQUAL(input->line, 2);
    const struct config *files = config_get(input, "files");
    CU_ASSERT_EQUAL(files->kind, CONFIG_LIST);
    CU_ASSERT_EQUAL(files->count, 2);
    CU_ASSERT_EQUAL(files->line, 3);
    CU_ASSERT_STRING_EQUAL(files->items[1]->text, "b.csv");
    CU_ASSERT(files->items[1]->quoted && !files->items[0]->quoted);
    CU_ASSERT_STRING_EQUAL(config_get(root, "note")->text, "two\nlines\n");
    CU_ASSERT_PTR_NULL(config_get(root, "nothing"));
    CU_ASSERT_PTR_NULL(config_get(NULL, "nothing"));
    CU_ASSERT_PTR_NULL(config_get(files, "0"));
    config_free(root);
    config_free(NULL);
}

static void reads_an_empty_document(void)
{
    const char *const texts[] = {"", "\n\n", "# nothing\n", "---\n", "{}"};
    for (int i = 0; i < 5; i++) {
        struct config *root = parse(texts[i]);
        CU_ASSERT(root->kind == CONFIG_MAP && root->count == 0);
        config_free(root);
    }
}

static void refuses_what_is_no_configuration(void)
{
    refuses("a: 1\n\tb: 2\n", "c.yaml:2: ");
    refuses("a: [1, 2\n", "c.yaml:2: ");
    refuses("a: 1\nb: \"\xff\xfe\"\n", "c.yaml:2: ");
    refuses("a: 1\nb: \x01\n", "c.yaml:2: control characters");
    refuses("- a\n- b\n", "c.yaml:1: expected `key: value` lines, found a list");
    refuses("hello\n", "c.yaml:1: expected `key: value` lines, found a text");
    refuses("a: 1\nb: 2\na: 3\n", "c.yaml:3: a is given twice (first in line 1)");
    refuses("m: {x: 1, x: 2}\n", "c.yaml:1: x is given twice");
    refuses("a: &name 1\n", "c.yaml:1: anchors");
    refuses("a: &name [1]\n", "c.yaml:1: anchors");
    refuses("a: 1\nb: *name\n", "c.yaml:2: aliases");
    refuses("*name : 1\n", "c.yaml:1: aliases");
    refuses("a: !!str 5\n", "c.yaml:1: tags");
    refuses("a: !x {b: 1}\n", "c.yaml:1: tags");
    refuses("? [a, b]\n: 1\n", "c.yaml:1: a key is a word");
    refuses("a: 1\n---\nb: 1\n", "c.yaml:3: a second document");
    refuses("a: 1\n--- [\n", "c.yaml:");
    refuses("a: \"x\\0y\"\n", "c.yaml:1: a NUL character");
}

static void limits_depth_and_size(void)
{
    char deep[200] = "a: ";
    for (int i = 0; i < 40; i++)
        strcat(deep, "[");
    refuses(deep, "nested more than 32 levels");

    char *wide = malloc(40 + 10002 * 3);
    strcpy(wide, "a: [");
    for (int i = 0; i < 10002; i++)
        memcpy(wide + 4 + i * 3, "1, ", 4);
    strcat(wide, "1]\n");
    refuses(wide, "more than 10000 entries");
    free(wide);
}

static void types_its_values(void)
{
    struct config *root = parse("k: 5\nmany: 1e6\nx: -2.5\nyes: True\nno: off\nword: kmeans\n"
                                "quoted: \"5\"\n");
    int64_t whole = 7;
    double number = 7;
    bool truth = false;
    const char *text = "default";
    int32_t choice = -1;
    const char *const words[] = {"gmm", "kmeans", NULL};
    CU_ASSERT(config_integer(root, "k", 1, 10, &whole, NULL) == SPOT_OK && whole == 5);
    CU_ASSERT(config_integer(root, "many", 1, 1000000, &whole, NULL) == SPOT_OK);
    CU_ASSERT_EQUAL(whole, 1000000);
    CU_ASSERT(config_integer(root, "absent", 1, 10, &whole, NULL) == SPOT_OK);
    CU_ASSERT_EQUAL(whole, 1000000);
    CU_ASSERT(config_number(root, "x", &number, NULL) == SPOT_OK && number == -2.5);
    CU_ASSERT(config_number(root, "absent", &number, NULL) == SPOT_OK && number == -2.5);
    CU_ASSERT(config_bool(root, "yes", &truth, NULL) == SPOT_OK && truth);
    CU_ASSERT(config_bool(root, "no", &truth, NULL) == SPOT_OK && !truth);
    CU_ASSERT(config_bool(root, "absent", &truth, NULL) == SPOT_OK && !truth);
    CU_ASSERT(config_text(root, "absent", &text, NULL) == SPOT_OK);
    CU_ASSERT_STRING_EQUAL(text, "default");
    CU_ASSERT(config_text(root, "quoted", &text, NULL) == SPOT_OK);
    CU_ASSERT_STRING_EQUAL(text, "5");
    CU_ASSERT(config_choice(root, "word", words, &choice, NULL) == SPOT_OK && choice == 1);
    CU_ASSERT(config_choice(root, "absent", words, &choice, NULL) == SPOT_OK && choice == 1);
    CU_ASSERT_FALSE(config_is_number(config_get(root, "quoted"), &number));
    CU_ASSERT_TRUE(config_is_number(config_get(root, "k"), &number));
    config_free(root);
}

static void says(int status, const struct spot_error *err, const char *message)
{
    CU_ASSERT_EQUAL(status, SPOT_EUSAGE);
    if (strcmp(err->message, message) != 0) printf("\n    %s\n", err->message);
    CU_ASSERT_STRING_EQUAL(err->message, message);
}

static void names_the_place_of_a_wrong_value(void)
{
    struct config *root = parse("k: 0\nhalf: 2.5\ninf: .inf\nhex: 0x10\nquoted: \"5\"\nempty:\n"
                                "list: [1]\nmap: {a: 1}\nbig: 99999999999999999999\nlong: 1e999\n");
    struct spot_error err;
    int64_t whole;
    double number;
    bool truth;
    int32_t choice;
    const char *text;
    const char *const words[] = {"none", "mean", "median", NULL};
    says(config_integer(root, "k", 1, 10, &whole, &err), &err,
         "c.yaml:1: k: 0 is not a whole number between 1 and 10");
    says(config_integer(root, "half", 1, 10, &whole, &err), &err,
         "c.yaml:2: half: 2.5 is not a whole number between 1 and 10");
    says(config_integer(root, "quoted", 1, 10, &whole, &err), &err,
         "c.yaml:5: quoted: 5 is not a whole number between 1 and 10");
    says(config_integer(root, "big", 0, INT64_MAX, &whole, &err), &err,
         "c.yaml:9: big: 99999999999999999999 is not a whole number between 0 and "
         "9223372036854775807");
    says(config_number(root, "inf", &number, &err), &err, "c.yaml:3: inf: .inf is not a number");
    says(config_number(root, "hex", &number, &err), &err, "c.yaml:4: hex: 0x10 is not a number");
    says(config_number(root, "long", &number, &err), &err,
         "c.yaml:10: long: 1e999 is not a number");
    says(config_number(root, "quoted", &number, &err), &err,
         "c.yaml:5: quoted: \"5\" is not a number");
    says(config_number(root, "empty", &number, &err), &err, "c.yaml:6: empty: has no value");
    says(config_text(root, "list", &text, &err), &err,
         "c.yaml:7: list: expected one value, found a list");
    says(config_text(root, "map", &text, &err), &err,
         "c.yaml:8: map: expected one value, found a map");
    says(config_bool(root, "k", &truth, &err), &err, "c.yaml:1: k: 0 is neither true nor false");
    says(config_bool(root, "list", &truth, &err), &err,
         "c.yaml:7: list: expected one value, found a list");
    says(config_choice(root, "half", words, &choice, &err), &err,
         "c.yaml:2: half: 2.5 is none of none, mean or median");
    says(config_choice(root, "empty", words, &choice, &err), &err, "c.yaml:6: empty: has no value");
    config_free(root);
}

static void suggests_the_nearest_key(void)
{
    const char *const keys[] = {"input", "columns", "features", NULL};
    struct spot_error err;
    struct config *root = parse("input: 1\nfeatrues: 2\n");
    says(config_known(root, keys, &err), &err,
         "c.yaml:2: unknown key featrues: did you mean features?");
    config_free(root);
    root = parse("zzz: 1\n");
    says(config_known(root, keys, &err), &err,
         "c.yaml:1: unknown key zzz: expected input, columns or features");
    config_free(root);
    root = parse("input: [1]\n");
    CU_ASSERT_EQUAL(config_known(root, keys, &err), SPOT_OK);
    CU_ASSERT_EQUAL(config_known(NULL, keys, &err), SPOT_OK);
    says(config_known(config_get(root, "input"), keys, &err), &err,
         "c.yaml:1: input: expected `key: value` entries, found a list");
    config_free(root);
}

static void knows_near_words(void)
{
    const char *const words[] = {"n_init", "max_iter", "Accident_Severity", "k", NULL};
    CU_ASSERT_STRING_EQUAL(nearest_word("ninit", words), "n_init");
    CU_ASSERT_STRING_EQUAL(nearest_word("maxiter", words), "max_iter");
    CU_ASSERT_STRING_EQUAL(nearest_word("accident_severity", words), "Accident_Severity");
    CU_ASSERT_STRING_EQUAL(nearest_word("Acident_Severtiy", words), "Accident_Severity");
    CU_ASSERT_PTR_NULL(nearest_word("x", words));
    CU_ASSERT_PTR_NULL(nearest_word("", words));
    CU_ASSERT_PTR_NULL(nearest_word("temperature", words));
    char longest[300];
    memset(longest, 'k', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    CU_ASSERT_PTR_NULL(nearest_word(longest, words));
}

static void sets_values_by_their_path(void)
{
    struct config *root = parse("kmeans: {k: 5}\nfeatures: [{column: a}, b]\n");
    CU_ASSERT_EQUAL(config_set(root, "kmeans.k=8", NULL), SPOT_OK);
    CU_ASSERT_EQUAL(config_set(root, "kmeans.init=random", NULL), SPOT_OK);
    CU_ASSERT_EQUAL(config_set(root, "input.files=[x.csv, y.csv]", NULL), SPOT_OK);
    CU_ASSERT_EQUAL(config_set(root, "features.0.scale=minmax", NULL), SPOT_OK);
    CU_ASSERT_EQUAL(config_set(root, "features.1=c", NULL), SPOT_OK);
    const struct config *k = config_get(config_get(root, "kmeans"), "k");
    CU_ASSERT_STRING_EQUAL(k->text, "8");
    CU_ASSERT_STRING_EQUAL(k->file, "--set");
    CU_ASSERT_STRING_EQUAL(config_get(config_get(root, "kmeans"), "init")->text, "random");
    CU_ASSERT_EQUAL(config_get(config_get(root, "input"), "files")->count, 2);
    const struct config *features = config_get(root, "features");
    CU_ASSERT_STRING_EQUAL(config_get(features->items[0], "scale")->text, "minmax");
    CU_ASSERT_STRING_EQUAL(features->items[1]->text, "c");
    CU_ASSERT_EQUAL(config_set(root, "kmeans=5", NULL), SPOT_OK);
    CU_ASSERT_EQUAL(config_set(root, "kmeans.k=9", NULL), SPOT_OK);
    CU_ASSERT_STRING_EQUAL(config_get(config_get(root, "kmeans"), "k")->text, "9");

    struct spot_error err;
    const char *const wrong[] = {"kmeans.k", "=5", ".k=5", "features.7=x", "features.x.y=1",
                                 "a..b=1",   "a=", "a=[1", "a=*b"};
    for (int i = 0; i < 9; i++)
        CU_ASSERT_EQUAL(config_set(root, wrong[i], &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "--set:1: aliases"));
    config_free(root);
}

static void reads_files(void)
{
    char path[] = "/tmp/blackspot-config-XXXXXX";
    int descriptor = mkstemp(path);
    CU_ASSERT_FATAL(descriptor >= 0);
    CU_ASSERT_EQUAL(write(descriptor, "a: 1\na: 2\n", 10), 10);
    struct config *root;
    struct spot_error err;
    CU_ASSERT_EQUAL(config_read(path, &root, &err), SPOT_EUSAGE);
    CU_ASSERT_EQUAL(strncmp(err.message, path, strlen(path)), 0);
    CU_ASSERT_EQUAL(ftruncate(descriptor, 5), 0);
    CU_ASSERT_EQUAL(config_read(path, &root, &err), SPOT_OK);
    CU_ASSERT_STRING_EQUAL(root->file, path);
    config_free(root);
    CU_ASSERT_EQUAL(ftruncate(descriptor, (4 << 20) + 1), 0);
    CU_ASSERT_EQUAL(config_read(path, &root, &err), SPOT_EUSAGE);
    close(descriptor);
    unlink(path);
    CU_ASSERT_EQUAL(config_read(path, &root, &err), SPOT_EIO);
    CU_ASSERT_EQUAL(config_read("/tmp", &root, &err), SPOT_EIO);
    CU_ASSERT_PTR_NULL(root);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"reads a tree", reads_a_tree},
        {"reads an empty document", reads_an_empty_document},
        {"refuses what is no configuration", refuses_what_is_no_configuration},
        {"limits depth and size", limits_depth_and_size},
        {"types its values", types_its_values},
        {"names the place of a wrong value", names_the_place_of_a_wrong_value},
        {"suggests the nearest key", suggests_the_nearest_key},
        {"knows near words", knows_near_words},
        {"sets values by their path", sets_values_by_their_path},
        {"reads files", reads_files},
        {NULL, NULL},
    };
    return run_suite("config", tests);
}
