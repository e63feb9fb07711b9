#define _POSIX_C_SOURCE 200809L
#include "app/evaluation_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/words.h"
#include "base/error.h"
#include "data/json.h"
#include "data/writer.h"

/* ---- JSON ----------------------------------------------------------------------------------- */

void report_measures(cJSON *object, const struct evaluated *evaluated, bool nulls)
{
    for (int id = 0; id < MEASURE_COUNT; id++) {
        const struct measure *measure = &evaluated->evaluation->measures[id];
        if (!measure->applies || (measure->undefined != NULL && !nulls)) continue;
        if (measure->undefined != NULL)
            cJSON_AddNullToObject(object, measure_name((enum measure_id)id));
        else
            cJSON_AddNumberToObject(object, measure_name((enum measure_id)id), measure->value);
    }
}

cJSON *report_undefined(const struct evaluated *evaluated)
{
    cJSON *object = NULL;
    for (int id = 0; id < MEASURE_COUNT; id++) {
        const struct measure *measure = &evaluated->evaluation->measures[id];
        if (!measure->applies || measure->undefined == NULL) continue;
        if (object == NULL) object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, measure_name((enum measure_id)id), measure->undefined);
    }
    return object;
}

static void add_defined(cJSON *object, const char *key, double value)
{
    if (isfinite(value)) cJSON_AddNumberToObject(object, key, value);
}

static void add_classes(cJSON *metrics, const struct evaluated *evaluated)
{
    const struct evaluation *evaluation = evaluated->evaluation;
    cJSON *classes = evaluation->classes > 0 ? cJSON_AddObjectToObject(metrics, "class") : NULL;
    for (int32_t c = 0; c < evaluation->classes && classes != NULL; c++) {
        const struct class_measures *measures = &evaluation->by_class[c];
        cJSON *one = cJSON_AddObjectToObject(classes, evaluated->classes[c]);
        add_defined(one, "precision", measures->precision);
        add_defined(one, "recall", measures->recall);
        add_defined(one, "f1", measures->f1);
        add_defined(one, "roc_auc", measures->roc_auc);
        add_defined(one, "pr_auc", measures->pr_auc);
        add_defined(one, "support", measures->support);
    }
}

static void add_intervals(cJSON *metrics, const struct evaluated *evaluated)
{
    cJSON *intervals = NULL;
    for (int id = 0; id < MEASURE_COUNT; id++) {
        const struct measure *measure = &evaluated->evaluation->measures[id];
        if (!measure->applies || isnan(measure->low)) continue;
        if (intervals == NULL) intervals = cJSON_AddObjectToObject(metrics, "interval");
        cJSON *one = cJSON_AddObjectToObject(intervals, measure_name((enum measure_id)id));
        cJSON_AddNumberToObject(one, "low", measure->low);
        cJSON_AddNumberToObject(one, "high", measure->high);
    }
}

cJSON *report_document(const struct evaluated *evaluated)
{
    cJSON *document = cJSON_CreateObject();
    cJSON *metrics = document != NULL ? cJSON_AddObjectToObject(document, "test_metrics") : NULL;
    if (metrics == NULL) return document;
    cJSON_AddNumberToObject(metrics, "rows", (double)evaluated->rows);
    report_measures(metrics, evaluated, false);
    add_classes(metrics, evaluated);
    add_intervals(metrics, evaluated);
    return document;
}

/* ---- Text ----------------------------------------------------------------------------------- */

enum { SHOWN_CLASSES = 12, NAME_WIDTH = 18 };

/* A weight: a count where it is whole. */
static const char *words_weight(double weight, char *buffer)
{
    if (weight == rint(weight) && fabs(weight) < 1e15) return words_count((int64_t)weight, buffer);
    return words_number(weight, buffer);
}

/* Four decimals, "0.7800", so that a column lines up; large values as words_number has them. */
static const char *words_fixed(double value, char *buffer)
{
    if (!(fabs(value) < 1000.0)) return words_number(value, buffer);
    const int64_t parts = llround(fabs(value) * 10000.0);
    snprintf(buffer, WORDS_ROOM, "%s%lld.%04lld", value < 0.0 && parts > 0 ? "-" : "",
             (long long)(parts / 10000), (long long)(parts % 10000));
    return buffer;
}

/* Characters of UTF-8 text, for a column's width. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void print_left(FILE *out, const char *text, int width)
{
    const int used = width_of(text);
    fprintf(out, "%s%*s", text, used < width ? width - used : 0, "");
}

static void print_right(FILE *out, const char *text, int width)
{
    const int used = width_of(text);
    fprintf(out, "  %*s%s", used < width ? width - used : 0, "", text);
}

static void print_measures(FILE *out, const struct evaluation *evaluation)
{
    char value[WORDS_ROOM], low[WORDS_ROOM], high[WORDS_ROOM];
    for (int id = 0; id < MEASURE_COUNT; id++) {
        const struct measure *measure = &evaluation->measures[id];
        if (!measure->applies) continue;
        print_left(out, measure_name((enum measure_id)id), NAME_WIDTH + 2);
        print_right(out, words_fixed(measure->value, value), 10);
        if (measure->undefined != NULL)
            fprintf(out, "  (%s)", measure->undefined);
        else if (!isnan(measure->low))
            fprintf(out, "  [%s, %s]", words_fixed(measure->low, low),
                    words_fixed(measure->high, high));
        fputc('\n', out);
    }
}

static int widest_class(const struct evaluated *evaluated)
{
    int widest = 5;
    for (int32_t c = 0; c < evaluated->evaluation->classes; c++) {
        const int width = width_of(evaluated->classes[c]);
        if (width > widest) widest = width;
    }
    return widest;
}

static void print_classes(FILE *out, const struct evaluated *evaluated)
{
    static const char *const headings[] = {"precision", "recall", "f1", "roc_auc", "pr_auc"};
    const int width = widest_class(evaluated);
    char text[WORDS_ROOM];
    fputc('\n', out);
    print_left(out, "class", width);
    for (int i = 0; i < 5; i++)
        print_right(out, headings[i], 9);
    print_right(out, "support", 11);
    fputc('\n', out);
    for (int32_t c = 0; c < evaluated->evaluation->classes; c++) {
        const struct class_measures *m = &evaluated->evaluation->by_class[c];
        const double values[] = {m->precision, m->recall, m->f1, m->roc_auc, m->pr_auc};
        print_left(out, evaluated->classes[c], width);
        for (int i = 0; i < 5; i++)
            print_right(out, words_fixed(values[i], text), 9);
        print_right(out, words_weight(m->support, text), 11);
        fputc('\n', out);
    }
}

static void print_confusion(FILE *out, const struct evaluated *evaluated)
{
    const struct evaluation *evaluation = evaluated->evaluation;
    const int name = widest_class(evaluated), width = name > 10 ? name : 10;
    char text[WORDS_ROOM];
    fputs("\nconfusion: a line for each true class, a column for each predicted one\n", out);
    print_left(out, "", name);
    for (int32_t c = 0; c < evaluation->classes; c++)
        print_right(out, evaluated->classes[c], width);
    fputc('\n', out);
    for (int32_t t = 0; t < evaluation->classes; t++) {
        print_left(out, evaluated->classes[t], name);
        for (int32_t p = 0; p < evaluation->classes; p++) {
            const double weight = evaluation->confusion[(int64_t)t * evaluation->classes + p];
            print_right(out, words_weight(weight, text), width);
        }
        fputc('\n', out);
    }
}

void report_text(FILE *out, const struct evaluated *evaluated)
{
    char count[WORDS_ROOM];
    bool intervals = false;
    for (int id = 0; id < MEASURE_COUNT; id++)
        intervals = intervals || !isnan(evaluated->evaluation->measures[id].low);
    fprintf(out, "%s row%s\n\n", words_count(evaluated->rows, count),
            evaluated->rows == 1 ? "" : "s");
    print_measures(out, evaluated->evaluation);
    if (intervals) fputs("(in brackets: the bootstrap's 95 % intervals)\n", out);
    if (evaluated->evaluation->classes == 0) return;
    print_classes(out, evaluated);
    if (evaluated->evaluation->classes <= SHOWN_CLASSES) print_confusion(out, evaluated);
}

/* ---- Files ---------------------------------------------------------------------------------- */

int report_file(const char *path, void (*print)(FILE *out, const void *arg), const void *arg,
                struct spot_error *err)
{
    char *text = NULL;
    size_t size = 0;
    struct writer *writer = NULL;
    FILE *memory = open_memstream(&text, &size);
    if (memory == NULL) return spot_fail_memory(err, path);
    print(memory, arg);
    int status = SPOT_OK;
    if (fclose(memory) != 0) status = spot_fail_memory(err, path);
    if (status >= 0) status = writer_open(path, &writer, err);
    if (status >= 0) status = writer_put(writer, text, size, err);
    free(text);
    if (status >= 0) return writer_commit(writer, err);
    writer_abandon(writer);
    return status;
}

/* A name as RFC 4180 wants it. */
static int put_name(struct writer *writer, const char *name, struct spot_error *err)
{
    if (strpbrk(name, ",\"\r\n") == NULL) return writer_put(writer, name, strlen(name), err);
    int status = writer_put(writer, "\"", 1, err);
    for (; *name != '\0' && status == SPOT_OK; name++)
        status = writer_put(writer, *name == '"' ? "\"\"" : name, *name == '"' ? 2 : 1, err);
    return status < 0 ? status : writer_put(writer, "\"", 1, err);
}

int report_matrix(const char *path, const char *corner, const char *const *row_names,
                  int32_t rows_count, const char *const *column_names, int32_t columns_count,
                  const double *cells, struct spot_error *err)
{
    struct writer *writer = NULL;
    char number[32];
    int status;
    SPOT_TRY(writer_open(path, &writer, err));
    SPOT_TRY(put_name(writer, corner, err));
    for (int32_t c = 0; c < columns_count; c++) {
        SPOT_TRY(writer_put(writer, ",", 1, err));
        SPOT_TRY(put_name(writer, column_names[c], err));
    }
    for (int32_t r = 0; r < rows_count; r++) {
        SPOT_TRY(writer_put(writer, "\n", 1, err));
        SPOT_TRY(put_name(writer, row_names[r], err));
        for (int32_t c = 0; c < columns_count; c++) {
            format_double(cells[(int64_t)r * columns_count + c], number);
            SPOT_TRY(writer_printf(writer, err, ",%s", number));
        }
    }
    SPOT_TRY(writer_put(writer, "\n", 1, err));
    status = writer_commit(writer, err);
    writer = NULL;
out:
    writer_abandon(writer);
    return status;
}
