/* What a model's trees look at: a bar for each feature, the most important first. */
#include <stdio.h>
#include <stdlib.h>

#include "app/plot_evaluation.h"
#include "app/plot_page.h"
#include "app/words.h"
#include "base/error.h"
#include "base/memory.h"

enum { MARGIN = 30, HEAD = 50, MOST = 24, STEP = 24, BAR = 16, WIDTH = 640, NAMES = 190 };

struct importance {
    int32_t features;
    const char *const *names;
    const double *values;
    const char *remark;
    const int32_t *order; /* (features) by falling value */
};

struct ranked_feature {
    double value;
    int32_t feature;
};

static int by_value(const void *a, const void *b)
{
    const struct ranked_feature *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? 1 : -1;
    return (x->feature > y->feature) - (x->feature < y->feature);
}

static int32_t shown_of(int32_t features)
{
    return features < MOST ? features : MOST;
}

static int draw_importance(cairo_t *cr, const void *arg, struct spot_error *err)
{
    const struct importance *importance = arg;
    const int32_t shown = shown_of(importance->features);
    const double room = WIDTH - 2 * MARGIN - NAMES - 70;
    const double most = importance->values[importance->order[0]];
    char remark[120], share[WORDS_ROOM];
    (void)err;
    snprintf(remark, sizeof remark, "%s", importance->remark);
    if (shown < importance->features)
        snprintf(remark, sizeof remark, "%s; the first %d", importance->remark, (int)shown);
    draw_heading(cr, MARGIN, MARGIN - 8, "Importance", remark);
    for (int32_t i = 0; i < shown; i++) {
        const int32_t feature = importance->order[i];
        const double value = importance->values[feature], y = HEAD + i * STEP;
        const double bar = most > 0.0 ? room * value / most : 0.0;
        set_text(cr, 12.5, false, ink);
        draw_clipped(cr, MARGIN, y + 12.5, NAMES - 10, importance->names[feature]);
        set_colour(cr, cluster_colour(0));
        cairo_rectangle(cr, MARGIN + NAMES, y, bar, BAR);
        cairo_fill(cr);
        set_text(cr, 12, false, ink);
        draw_text(cr, MARGIN + NAMES + bar + 7, y + 12.5, ALIGN_LEFT,
                  words_share((int64_t)(value * 1e9 + 0.5), 1000000000, share));
    }
    return SPOT_OK;
}

int plot_importance(const char *path, int32_t features, const char *const *names,
                    const double *values, const char *remark, struct spot_error *err)
{
    struct ranked_feature *ranked = spot_alloc(features, sizeof *ranked);
    int32_t *order = spot_alloc(features, sizeof *order);
    int status;
    if (ranked == NULL || order == NULL) {
        status = spot_fail_memory(err, "the picture");
        goto out;
    }
    for (int32_t j = 0; j < features; j++)
        ranked[j] = (struct ranked_feature){values[j], j};
    qsort(ranked, (size_t)features, sizeof *ranked, by_value);
    for (int32_t j = 0; j < features; j++)
        order[j] = ranked[j].feature;
    const struct importance importance = {features, names, values, remark, order};
    const struct page page = {WIDTH, HEAD + shown_of(features) * STEP + MARGIN, draw_importance,
                              &importance};
    status = page_draw(path, &page, err);
out:
    free(ranked);
    free(order);
    return status;
}
