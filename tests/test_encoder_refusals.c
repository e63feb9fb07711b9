/* What the encoder refuses, each in its own words: features, values, too many categories, documents
 * of models; and categories that training has not seen. */
#define _GNU_SOURCE
#include <cjson/cJSON.h>

#include "prepare_text.h"

/* ---- What is refused ---- */

static void refuses_wrong_features(void)
{
    const char *csv = "a,b,t,w,z\n1,2,2015-01-01,x,q\n";
    const char *columns = "columns: {a: number, b: number, t: timestamp, w: category, z: text}\n";
    const char *const wrong[][2] = {
        {"features: [{column: aa}]", "c.yaml:2: there is no column aa among"},
        {"features: [{column: nothing}]", "c.yaml:2: there is no column nothing among"},
        {"features: []", "c.yaml:2: features: expected a list"},
        {"features: {a: 1}", "features: expected a list"},
        {"features: [{derive: hour}]", "a feature needs a column"},
        {"features: [[a]]", "expected `key: value` entries"},
        {"features: [{column: {x: 1}}]", "column: a name, or three"},
        {"features: [{column: [a, b]}]", "column: a name, or three"},
        {"features: [{column: [a, [b], a], derive: month}]", "column: expected a name"},
        {"features: [{column: [a, b, a]}]", "a date of three columns needs derive"},
        {"features: [{column: [a, b, a], derive: hour}]", "a date of three columns needs derive"},
        {"features: [{column: [a, b, t], derive: month}]", "t is a timestamp"},
        {"features: [{column: [a, b, a], derive: month, minus: b}]", "minus: does not go with"},
        {"features: [{column: a, scal: none}]", "unknown key scal: did you mean scale?"},
        {"features: [{column: a, scale: big}]", "scale: big is none of none, standard"},
        {"features: [{column: a, derive: hour}]", "derive: hour needs a timestamp, and a is not"},
        {"features: [t]", "t is a timestamp: it needs derive"},
        {"features: [w]", "w is a category: it needs encode"},
        {"features: [z]", "z is a text, which is never a feature"},
        {"features: [{column: a, encode: one_hot}]", "encode goes with categories, and a is not"},
        {"features: [{column: w, encode: one_hot, scale: standard}]", "scale: goes with numbers"},
        {"features: [{column: w, encode: one_hot, impute: mean}]", "a category has no mean"},
        {"features: [{column: w, encode: one_hot, cyclic: 5}]", "cyclic: goes with numbers"},
        {"features: [{column: w, minus: a, encode: one_hot}]", "w is a category"},
        {"features: [{column: a, rare: 0.1}]", "rare and unknown go with encode"},
        {"features: [{column: w, encode: one_hot, rare: 2}]", "rare: a share between 0 and 1"},
        {"features: [{column: a, cyclic: true}]", "cyclic: the period is not known"},
        {"features: [{column: a, cyclic: -3}]", "cyclic: a period is above 0"},
        {"features: [{column: a, cyclic: 3, scale: minmax}]", "lies between -1 and 1 already"},
        {"features: [{column: t, derive: is_weekend, cyclic: true}]", "the period is not known"},
        {"features: [{column: t, minus: t, derive: hour}]", "derive: goes with one time"},
        {"features: [{column: t, minus: a}]", "a timestamp and a number have no difference"},
        {"features: [{column: a, impute: constant}]", "impute: constant and value: go together"},
        {"features: [{column: a, value: 1}]", "impute: constant and value: go together"},
        {"features: [{column: a, impute: drop_row, indicator: true}]", "would always be 0"},
        {"features: [a, a]", "the feature of line 2 is called a too"},
        {"features: [{column: t, derive: hour, cyclic: true}, {column: a, name: hour_sin}]",
         "two features are called hour_sin"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char config[400];
        snprintf(config, sizeof config, "%s%s\n", columns, wrong[i][0]);
        refuses(config, csv, SPOT_EUSAGE, wrong[i][1]);
    }
    refuses("columns: {w: category}", "w\nx\n", SPOT_EUSAGE, "no column is a number");
    refuses("columns: {alpha: number}\nfeatures:\n  - alhpa\n", "alpha\n1\n", SPOT_EUSAGE,
            "c.yaml:3: there is no column alhpa: did you mean alpha?");
}

static void refuses_wrong_values(void)
{
    refuses("columns: {a: number}", "a\n1\n\"\"\n3\n", SPOT_EDATA,
            ".csv:3: a: missing cannot be used");
    refuses("columns: {w: category, b: number}\nfeatures: [{column: w, encode: ordinal}]",
            "w,b\nx,1\n,2\n", SPOT_EDATA, ".csv:3: w: missing cannot be used");
    refuses("columns: {a: number}", "a\n1\n1e39\n", SPOT_EDATA,
            ".csv:3: a: 1e+39 is too large for float32: scale");
    refuses("columns: {a: {type: number, missing: [-1]}}\nfeatures: [{column: a, impute: mean}]",
            "a\n-1\n-1\n", SPOT_EDATA, "a: every value is missing, so there is no mean");
    refuses("columns: {a: {type: number, missing: [-1]}}\nfeatures: [{column: a, scale: robust}]",
            "a\n-1\n-1\n", SPOT_EDATA, "a: there is no value to scale by");
    refuses("columns: {a: number}\nfeatures: [{column: a, scale: standard}]", "a\n1e200\n1\n",
            SPOT_EDATA, "a: a value of 1e+200 cannot be averaged");
    refuses("columns: {a: number}\nfeatures: [{column: a, scale: minmax}]", "a\n1e308\n-1e308\n",
            SPOT_EDATA, "a: the values are too far apart");
    refuses("columns: {a: number}\nfeatures: [{column: a, impute: constant, value: 1e39}]",
            "a\n1\n\"\"\n", SPOT_EDATA, "a: the value that stands for a missing one is too large");
    refuses("columns: {w: category}\n"
            "features: [{column: w, encode: one_hot, impute: most_frequent}]",
            "w\n\"\"\n\"\"\n", SPOT_EDATA, "w: every value is missing");
}

static void refuses_too_many_categories(void)
{
    char *csv = malloc(5001 * 8);
    size_t used = (size_t)sprintf(csv, "w\n");
    for (int i = 0; i < 5000; i++)
        used += (size_t)sprintf(csv + used, "c%d\n", i);
    refuses("columns: {w: category}\nfeatures: [{column: w, encode: one_hot}]", csv, SPOT_EDATA,
            "w would become 5000 columns");
    free(csv);
}

/* ---- The model's document ---- */

static struct encoder *train(const char *config, const char *csv, struct schema **schema)
{
    struct prepared out;
    struct encoder *encoder = NULL;
    CU_ASSERT_EQUAL_FATAL(prepare_text(config, csv, NULL, &out, NULL), SPOT_OK);
    cJSON *document = encoder_to_json(out.encoder);
    prepared_free(&out);
    CU_ASSERT_EQUAL_FATAL(schema_from_json(document, schema, NULL), SPOT_OK);
    CU_ASSERT_EQUAL_FATAL(encoder_from_json(document, *schema, &encoder, NULL), SPOT_OK);
    cJSON_Delete(document);
    return encoder;
}

/* Categories that training has not seen, grouped ones among them. */
static void meets_unknown_categories(void)
{
    const char *csv = "w,x\na,1\na,1\na,1\nb,1\nb,1\nc,1\n";
    const char *const policies[] = {"error", "ignore", "other"};
    const char *const encodings[] = {"one_hot", "ordinal", "frequency"};
    for (int p = 0; p < 3; p++)
        for (int e = 0; e < 3; e++) {
            char config[200];
            struct schema *schema;
            struct prepared out;
            struct spot_error err = {0};
            snprintf(config, sizeof config,
                     "columns: {w: category, x: number}\n"
                     "features: [{column: w, encode: %s, rare: 0.2, unknown: %s}]",
                     encodings[e], policies[p]);
            struct encoder *encoder = train(config, csv, &schema);
            struct prepare_wish wish = {.encoder = encoder, .schema = schema};
            int status = prepare_text(NULL, "y,w\n7,c\n7,zebra\n", &wish, &out, &err);
            CU_ASSERT_EQUAL(status, p == 0 ? SPOT_EDATA : SPOT_OK);
            if (p == 0) CU_ASSERT_PTR_NOT_NULL(strstr(err.message, ":3: w: zebra is no category"));
            if (p > 0 && e == 0) { /* columns a, b, other */
                CU_ASSERT_EQUAL_FATAL(out.columns, 3);
                CU_ASSERT(out.values[2] == 1.0f && out.values[3] == 0.0f);
                CU_ASSERT_EQUAL(out.values[5], p == 2 ? 1.0f : 0.0f);
            }
            if (p > 0 && e == 1) {
                CU_ASSERT_EQUAL(out.values[0], 2.0f);
                CU_ASSERT_EQUAL(out.values[1], p == 2 ? 2.0f : -1.0f);
            }
            if (p > 0 && e == 2) {
                CU_ASSERT_EQUAL(out.values[0], (float)(1.0 / 6.0));
                CU_ASSERT_EQUAL(out.values[1], p == 2 ? (float)(1.0 / 6.0) : 0.0f);
            }
            prepared_free(&out);
            encoder_free(encoder);
            schema_free(schema);
        }
}

/* Opens a document that may be hostile; the status and the message. */
static int open_document(const char *text, struct spot_error *err)
{
    struct schema *schema = NULL;
    struct encoder *encoder = NULL;
    cJSON *document = cJSON_Parse(text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(document);
    int status = schema_from_json(document, &schema, err);
    if (status == SPOT_OK) status = encoder_from_json(document, schema, &encoder, err);
    CU_ASSERT((status == SPOT_OK) == (encoder != NULL));
    encoder_free(encoder);
    schema_free(schema);
    cJSON_Delete(document);
    return status;
}

static void refuses_hostile_documents(void)
{
    struct spot_error err = {0};
    const char *good = "{\"columns\":[{\"name\":\"a\",\"type\":\"number\",\"from\":\"A\"}],"
                       "\"features\":[{\"name\":\"a\",\"columns\":[\"a\"]}]}";
    CU_ASSERT_EQUAL(open_document(good, &err), SPOT_OK);
#define COLUMNS(more) "{\"columns\":[" more "],\"features\":[]}"
#define FEATURES(more)                                                                            \
    "{\"columns\":[{\"name\":\"a\",\"type\":\"number\",\"from\":\"a\"},{\"name\":\"w\",\"type\":" \
    "\"category\",\"from\":\"w\"}],\"features\":[" more "]}"
#define CATEGORY(more) \
    FEATURES("{\"name\":\"w\",\"columns\":[\"w\"],\"encode\":\"one_hot\"," more "}")
    const char *const wrong[][2] = {
        {"[]", "encoder: is not an object"},
        {"{}", "encoder.columns: is not there"},
        {"{\"columns\":5}", "encoder.columns: is not an array"},
        {COLUMNS("5"), "encoder.columns[0]: is not an object"},
        {COLUMNS("{\"name\":1}"), "encoder.columns[0].name: is not a text"},
        {COLUMNS("{\"name\":\"a\",\"type\":\"x\"}"), "encoder.columns[0].type: x is not known"},
        {COLUMNS("{\"name\":\"a\",\"type\":\"number\"}"), "encoder.columns[0].from: is not there"},
        {COLUMNS("{\"name\":\"a\",\"type\":\"number\",\"from\":\"a\",\"decimal\":\"x\"}"),
         "decimal: is neither . nor ,"},
        {COLUMNS("{\"name\":\"a\",\"type\":\"number\",\"from\":\"a\",\"optional\":1}"),
         "optional: is neither true nor false"},
        {COLUMNS("{\"name\":\"a\",\"type\":\"number\",\"from\":\"a\",\"second\":\"b\"}"),
         "second: goes with a timestamp"},
        {COLUMNS("{\"name\":\"a\",\"type\":\"timestamp\",\"from\":\"a\"}"),
         "formats: goes with a timestamp, and only there"},
        {COLUMNS("{\"name\":\"a\",\"type\":\"timestamp\",\"from\":\"a\",\"formats\":[1]}"),
         "formats: holds what is not a text"},
        {COLUMNS("{\"name\":\"a\",\"type\":\"number\",\"from\":\"a\"},"
                 "{\"name\":\"a\",\"type\":\"number\",\"from\":\"b\"}"),
         "encoder.columns[1].name: a is there twice"},
        {COLUMNS("{\"name\":\"a\",\"type\":\"number\",\"from\":\"a\"}"), "features: is empty"},
        {FEATURES("3"), "encoder.features[0]: is not an object"},
        {FEATURES("{\"name\":\"a\",\"columns\":[]}"), "columns: is empty"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"a\",\"a\",\"a\",\"a\"]}"), "has 4 members"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"q\"]}"), "q is none of encoder.columns"},
        {FEATURES("{\"name\":\"a\",\"columns\":[7]}"), "is none of encoder.columns"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"w\"]}"), "encoder.features[0]: w is a category"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"a\"],\"derive\":\"hour\"}"), "needs a timestamp"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"a\"],\"scale\":\"odd\"}"), "odd is not known"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"a\"],\"spread\":0}"), "spread: is not above 0"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"a\"],\"period\":-1}"), "period: is below 0"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"a\"],\"centre\":1e999}"), "not a finite number"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"a\"],\"fill\":\"1\"}"), "not a finite number"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"a\"]},{\"name\":\"a\",\"columns\":[\"a\"]}"),
         "encoder.features: two features are called a"},
        {CATEGORY("\"period\":3"), "period: does not go with encode"},
        {CATEGORY("\"other\":false"), "categories: is not there"},
        {CATEGORY("\"categories\":[\"x\"],\"grouped\":[],\"shares\":[1],\"other\":false"),
         "shares: has 1 members for 1 categories"},
        {CATEGORY("\"categories\":[\"x\"],\"grouped\":[],\"shares\":[1,2],\"other\":false"),
         "shares: holds what is no share"},
        {CATEGORY("\"categories\":[\"x\",\"x\"],\"grouped\":[],\"shares\":[1,0,0],\"other\":false"),
         "categories: x is there twice"},
        {CATEGORY("\"categories\":[\"x\"],\"grouped\":[\"x\"],\"shares\":[1,0],\"other\":true"),
         "grouped: x is there twice"},
        {CATEGORY("\"categories\":[\"x\"],\"grouped\":[\"y\"],\"shares\":[1,0],\"other\":false"),
         "other: must be true"},
        {CATEGORY("\"categories\":[],\"grouped\":[],\"shares\":[0],\"other\":false"),
         "other: must be true"},
        {CATEGORY("\"categories\":[1],\"grouped\":[],\"shares\":[0,0],\"other\":false"),
         "categories: holds what is no text"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CU_ASSERT_EQUAL(open_document(wrong[i][0], &err), SPOT_EFORMAT);
        if (strstr(err.message, wrong[i][1]) == NULL)
            printf("\n    \"%s\"\n      lacks \"%s\"\n", err.message, wrong[i][1]);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, wrong[i][1]));
    }
}

int main(void)
{
    const struct suite_test tests[] = {
        {"refuses wrong features", refuses_wrong_features},
        {"refuses wrong values", refuses_wrong_values},
        {"refuses too many categories", refuses_too_many_categories},
        {"meets unknown categories", meets_unknown_categories},
        {"refuses hostile documents", refuses_hostile_documents},
        {NULL, NULL},
    };
    return run_suite("encoder_refusals", tests);
}
