/* Looks the columns up in the header and prepares what each conversion needs. */
#include "data/csv_plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/config.h"
#include "data/decimal.h"

static int fail_missing(const struct csv_plan *plan, const struct csv_header *header,
                        const char *column, const char *name, struct spot_error *err)
{
    const char **words = spot_alloc_zero((int64_t)header->count + 1, sizeof *words);
    const char *nearest = NULL;
    if (words != NULL) {
        memcpy(words, header->names, (size_t)header->count * sizeof *words);
        nearest = nearest_word(name, words);
    }
    if (nearest != NULL)
        spot_fail(err, SPOT_EDATA, "%s: column '%s': the header has no '%s'; did you mean '%s'?",
                  plan->file, column, name, nearest);
    else
        spot_fail(err, SPOT_EDATA,
                  "%s: column '%s': the header has no '%s' among its %d fields (delimiter '%c')",
                  plan->file, column, name, header->count,
                  plan->delimiter == '\t' ? ' ' : plan->delimiter);
    free(words);
    return SPOT_EDATA;
}

/* The field with this header, -1 when an optional one is absent. */
static int find_field(const struct csv_plan *plan, const struct csv_header *header,
                      const struct column_spec *spec, const char *name, int32_t *field,
                      struct spot_error *err)
{
    *field = -1;
    for (int32_t i = 0; i < header->count; i++) {
        if (strcmp(header->names[i], name) != 0) continue;
        if (*field >= 0)
            return spot_fail(err, SPOT_EDATA,
                             "%s:1: column '%s': the header has '%s' twice, in fields %d and %d; "
                             "rename one",
                             plan->file, spec->name, name, *field + 1, i + 1);
        *field = i;
    }
    if (*field < 0 && !spec->optional) return fail_missing(plan, header, spec->name, name, err);
    return SPOT_OK;
}

static int compare_fields(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Index of a field among the wanted ones. */
static int32_t wanted_index(const struct csv_plan *plan, int32_t field)
{
    for (int32_t i = 0; i < plan->wanted_count; i++)
        if (plan->wanted[i] == field) return i;
    return -1;
}

static int find_fields(const struct csv_header *header, struct csv_plan *plan,
                       struct spot_error *err)
{
    int32_t found = 0;
    for (int32_t j = 0; j < plan->specs_count; j++) {
        const struct column_spec *spec = &plan->specs[j];
        struct csv_target *target = &plan->targets[j];
        target->second = -1;
        int status = find_field(plan, header, spec, spec->source, &target->first, err);
        if (status == SPOT_OK && spec->second != NULL)
            status = find_field(plan, header, spec, spec->second, &target->second, err);
        if (status < 0) return status;
        if (spec->second != NULL && (target->first < 0 || target->second < 0))
            target->first = target->second = -1; /* half a timestamp is none */
        if (target->first >= 0) plan->wanted[found++] = target->first;
        if (target->second >= 0) plan->wanted[found++] = target->second;
    }
    qsort(plan->wanted, (size_t)found, sizeof *plan->wanted, compare_fields);
    for (int32_t i = 0; i < found; i++)
        if (i == 0 || plan->wanted[i] != plan->wanted[i - 1])
            plan->wanted[plan->wanted_count++] = plan->wanted[i];
    for (int32_t j = 0; j < plan->specs_count; j++) {
        plan->targets[j].first = wanted_index(plan, plan->targets[j].first);
        plan->targets[j].second = wanted_index(plan, plan->targets[j].second);
    }
    return SPOT_OK;
}

/* The missing codes that can be compared as values: -1 is also meant by -1.0. */
static int prepare_missing(const struct column_spec *spec, struct csv_target *target,
                           struct spot_error *err)
{
    target->missing = spot_alloc(spec->missing_count, sizeof *target->missing);
    if (target->missing == NULL) return spot_fail_memory(err, "missing codes");
    for (int i = 0; i < spec->missing_count; i++) {
        const char *code = spec->missing[i], *end = code + strlen(code);
        double value;
        bool read = false;
        if (spec->type == COLUMN_NUMBER || spec->type == COLUMN_INTEGER)
            read = decimal_parse(code, end, '.', &value) == DECIMAL_OK ||
                   decimal_parse(code, end, spec->decimal, &value) == DECIMAL_OK;
        else if (spec->type == COLUMN_TIMESTAMP)
            read = csv_time_parse(target->time, code, end, &value);
        if (read) target->missing[target->missing_count++] = value;
    }
    return SPOT_OK;
}

static int prepare_target(const struct column_spec *spec, struct csv_target *target,
                          struct spot_error *err)
{
    if (spec->type == COLUMN_TIMESTAMP) {
        if (spec->formats_count < 1)
            return spot_fail(err, SPOT_EUSAGE, "column '%s': a timestamp needs a format",
                             spec->name);
        struct spot_error inner;
        int status = csv_time_make(spec->formats, spec->formats_count, &target->time, &inner);
        if (status < 0)
            return spot_fail(err, status, "column '%s': %.500s", spec->name, inner.message);
    }
    return prepare_missing(spec, target, err);
}

int csv_plan_make(const struct csv_header *header, const struct column_spec *specs,
                  int32_t specs_count, struct csv_plan *plan, struct spot_error *err)
{
    int status = SPOT_OK;
    plan->specs = specs;
    plan->specs_count = specs_count;
    plan->delimiter = header->delimiter;
    plan->fields = header->count;
    plan->wanted_count = 0;
    plan->targets = spot_alloc_zero(specs_count, sizeof *plan->targets);
    plan->wanted = spot_alloc(2 * (int64_t)specs_count, sizeof *plan->wanted);
    if (plan->targets == NULL || plan->wanted == NULL) {
        status = spot_fail_memory(err, "the columns");
        goto out;
    }
    SPOT_TRY(find_fields(header, plan, err));
    for (int32_t j = 0; j < specs_count; j++)
        SPOT_TRY(prepare_target(&specs[j], &plan->targets[j], err));
out:
    if (status < 0) csv_plan_free(plan);
    return status;
}

void csv_plan_free(struct csv_plan *plan)
{
    for (int32_t j = 0; plan->targets != NULL && j < plan->specs_count; j++) {
        csv_time_free(plan->targets[j].time);
        free(plan->targets[j].missing);
    }
    free(plan->targets);
    free(plan->wanted);
    plan->targets = NULL;
    plan->wanted = NULL;
}
