#include "app/candidates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/words.h"
#include "base/error.h"
#include "base/memory.h"

static bool is_better(const struct candidates *candidates, const struct candidate *candidate)
{
    if (candidates->count == 0) return true;
    const double value = candidate->values[candidates->rule];
    const double best = candidates->items[candidates->best].values[candidates->rule];
    if (isnan(value) || isnan(best)) return !isnan(value);
    return candidates->highest ? value > best : value < best;
}

int candidates_add(struct candidates *candidates, const struct candidate *candidate, bool *better,
                   struct spot_error *err)
{
    if (spot_grow((void **)&candidates->items, &candidates->capacity, candidates->count + 1,
                  sizeof *candidates->items) < 0)
        return spot_fail_memory(err, "the measures of each k");
    *better = is_better(candidates, candidate);
    if (*better) candidates->best = candidates->count;
    candidates->items[candidates->count++] = *candidate;
    return SPOT_OK;
}

void candidates_clear(struct candidates *candidates)
{
    free(candidates->items);
    candidates->items = NULL;
    candidates->count = candidates->capacity = 0;
}

const char *candidates_rule(const struct candidates *candidates, char *buffer, size_t room)
{
    snprintf(buffer, room, "%s %s", candidates->highest ? "highest" : "lowest",
             candidates->measures[candidates->rule].title);
    return buffer;
}

void candidates_json(const struct candidates *candidates, cJSON *object)
{
    if (candidates->count < 2) return;
    cJSON *list = cJSON_AddArrayToObject(object, "candidates");
    for (int64_t i = 0; list != NULL && i < candidates->count; i++) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddNumberToObject(item, "k", candidates->items[i].k);
        for (int32_t m = 0; candidates->measures[m].key != NULL; m++)
            cJSON_AddNumberToObject(item, candidates->measures[m].key,
                                    candidates->items[i].values[m]);
        cJSON_AddItemToArray(list, item);
    }
    cJSON_AddStringToObject(object, "chosen_by", candidates->measures[candidates->rule].key);
}

int candidates_print(const struct candidates *candidates, FILE *out, struct spot_error *err)
{
    enum { WIDTH = 12 };
    char number[WORDS_ROOM], rule[64];
    fprintf(out, "%9s", "k");
    for (int32_t m = 0; candidates->measures[m].key != NULL; m++)
        fprintf(out, "  %*s", WIDTH, candidates->measures[m].title);
    for (int64_t i = 0; i < candidates->count; i++) {
        fprintf(out, "\n%9d", (int)candidates->items[i].k);
        for (int32_t m = 0; candidates->measures[m].key != NULL; m++) {
            const int title = (int)strlen(candidates->measures[m].title);
            fprintf(out, "  %*s", title > WIDTH ? title : WIDTH,
                    words_number(candidates->items[i].values[m], number));
        }
        if (i == candidates->best && candidates->count > 1)
            fprintf(out, "  <- %s", candidates_rule(candidates, rule, sizeof rule));
    }
    if (fputs("\n\n", out) < 0 || ferror(out))
        return spot_fail(err, SPOT_EIO, "cannot print the table of measures");
    return SPOT_OK;
}
