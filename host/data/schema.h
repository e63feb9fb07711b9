/* The schema: what the raw table must look like, checked before anything is made of it.
 *
 *   columns:
 *     when: {type: timestamp, from: [Date, Time], format: "%d/%m/%Y %H:%M", max_missing: 0.01}
 *     severity: {type: integer, from: Accident_Severity, range: [1, 3], missing: [-1]}
 *   checks:
 *     - {rows: [1000, 10000000]}
 *     - {compare: "end >= start", severity: warn}
 *
 * A schema without configuration takes every column of the header as a number. Checks are made
 * batch by batch on any thread and merged in row order. */
#ifndef SPOT_DATA_SCHEMA_H
#define SPOT_DATA_SCHEMA_H

#include <cjson/cJSON.h>

#include "data/config.h"
#include "data/table.h"

struct schema;
struct schema_part;   /* what the checks found in one batch */
struct schema_report; /* what they found in all */

/* From the `columns` and `checks` of a configuration; root NULL or without `columns`: every column
 * of the header is a number. The schema keeps nothing of the arguments. */
int schema_make(const struct config *root, const char *const *header, int32_t header_count,
                struct schema **schema, struct spot_error *err);
void schema_free(struct schema *schema);

/* The columns to read, owned by the schema. */
const struct column_spec *schema_columns(const struct schema *schema, int32_t *count);

/* Index of a column, or -1. */
int32_t schema_find(const struct schema *schema, const char *name);

/* The columns (not the checks) as a JSON array for the model file. And back from an object that has
 * them as its member "columns", as the encoder's document does, so that scoring reads its file as
 * training did. Errors: SPOT_EFORMAT with the place. */
cJSON *schema_to_json(const struct schema *schema);
int schema_from_json(const cJSON *json, struct schema **schema, struct spot_error *err);

/* `outside: missing`: makes those values of a batch missing. Comes after the checks. */
void schema_clear_outside(const struct schema *schema, struct batch *batch);

/* SPOT_EDATA with the first cell of a batch that does not read as its column's type, for scoring,
 * where nothing is merged. */
int schema_refuse_cells(const struct schema *schema, const struct batch *batch, const char *file,
                        struct spot_error *err);

/* Work for one batch, then the merge in row order, then the verdict: SPOT_EDATA with the first
 * failed check of severity `error`. The report is complete either way. */
int schema_check(const struct schema *schema, const struct batch *batch, struct schema_part **part,
                 struct spot_error *err);
int schema_report_open(const struct schema *schema, struct schema_report **report,
                       struct spot_error *err);
int schema_report_add(struct schema_report *report, const struct batch *batch,
                      const struct schema_part *part, const char *file, struct spot_error *err);
int schema_report_verdict(struct schema_report *report, struct spot_pool *pool,
                          struct spot_error *err);
cJSON *schema_report_json(const struct schema_report *report);
/* Checks of severity `warn` that failed, as lines of text. */
void schema_report_warnings(const struct schema_report *report,
                            void (*line)(void *arg, const char *text), void *arg);
void schema_part_free(struct schema_part *part);
void schema_report_free(struct schema_report *report);

#endif
