/* XGBoost's JSON and UBJSON, 1.0 and later: learner, booster, objective and what goes with them. */
#include "models/xgboost_read.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/decimal.h"

/* Reads the value of a key; *known is false where it is nobody's. */
typedef int member_reader(struct xgboost_document *in, const char *key, bool *known,
                          struct spot_error *err);

enum { KEY_ROOM = 40, KEYS_SEEN = 16 }; /* more than any key or object that means something */

/* An object, key by key. */
static int each_member(struct xgboost_document *in, const char *what, member_reader *read,
                       struct spot_error *err)
{
    int status, count = 0;
    bool more, known;
    char key[KEY_ROOM], seen[KEYS_SEEN][KEY_ROOM];
    SPOT_TRY(document_expect(in->document, DOCUMENT_OBJECT, what, err));
    for (;;) {
        SPOT_TRY(document_key(in->document, &more, err));
        if (!more) break;
        const int64_t length = document_text_length(in->document);
        const size_t kept = length < (int64_t)sizeof key ? (size_t)length : 0;
        memcpy(key, document_text(in->document), kept);
        key[kept] = '\0';
        for (int i = 0; i < count; i++)
            if (strcmp(seen[i], key) == 0)
                return document_fail(in->document, err, "%s is there twice", key);
        known = true;
        SPOT_TRY(read(in, key, &known, err));
        if (!known) SPOT_TRY(document_skip(in->document, err));
        if (known && count < KEYS_SEEN) memcpy(seen[count++], key, KEY_ROOM);
    }
out:
    return status;
}

static int read_list(struct xgboost_document *in, const char *key, bool float32,
                     struct reals *reals, struct spot_error *err)
{
    if (reals->values != NULL) return document_fail(in->document, err, "%s is there twice", key);
    return document_reals(in->document, float32, reals, err);
}

/* A whole number written as a text. */
static int read_count(struct xgboost_document *in, const char *key, int64_t *count,
                      struct spot_error *err)
{
    char *end;
    int status = document_expect(in->document, DOCUMENT_TEXT, key, err);
    if (status < 0) return status;
    const char *text = document_text(in->document);
    *count = strtoll(text, &end, 10);
    if (*end == '\0' && end != text && *count >= 0 && *count <= INT32_MAX) return SPOT_OK;
    return document_fail(in->document, err, "%s is '%.40s'", key, text);
}

/* ---- Trees ---------------------------------------------------------------------------------- */

static int read_trees(struct xgboost_document *in, struct spot_error *err)
{
    if (in->trees > 0) return document_fail(in->document, err, "trees is there twice");
    int status = document_expect(in->document, DOCUMENT_ARRAY, "trees", err);
    while (status == SPOT_OK) {
        bool more;
        status = document_more(in->document, &more, err);
        if (status < 0 || !more) break;
        status = xgboost_read_tree(in, err);
    }
    return status;
}

static int tree_parameter(struct xgboost_document *in, const char *key, bool *known,
                          struct spot_error *err)
{
    if (strcmp(key, "num_parallel_tree") == 0) return read_count(in, key, &in->parallel_trees, err);
    if (strcmp(key, "num_trees") == 0) return read_count(in, key, &in->announced_trees, err);
    *known = false;
    return SPOT_OK;
}

/* Kept as they are, where there are any. */
static int read_names_of_categories(struct xgboost_document *in, struct spot_error *err)
{
    static const char none[] = "\"enc\":[]";
    if (in->categories != NULL) return document_fail(in->document, err, "cats is there twice");
    int status = document_json(in->document, &in->categories, err);
    if (status == SPOT_OK && (in->categories[0] != '{' || strstr(in->categories, none) != NULL)) {
        free(in->categories);
        in->categories = NULL;
    }
    return status;
}

static int model_member(struct xgboost_document *in, const char *key, bool *known,
                        struct spot_error *err)
{
    if (strcmp(key, "trees") == 0) return read_trees(in, err);
    if (strcmp(key, "cats") == 0) return read_names_of_categories(in, err);
    if (strcmp(key, "tree_info") == 0) return read_list(in, key, false, &in->tree_info, err);
    if (strcmp(key, "iteration_indptr") == 0)
        return read_list(in, key, false, &in->iteration_trees, err);
    if (strcmp(key, "weight_drop") == 0) return read_list(in, key, true, &in->tree_weights, err);
    if (strcmp(key, "gbtree_model_param") == 0) return each_member(in, key, tree_parameter, err);
    *known = false;
    return SPOT_OK;
}

static int booster_member(struct xgboost_document *in, const char *key, bool *known,
                          struct spot_error *err)
{
    if (strcmp(key, "model") == 0) return each_member(in, key, model_member, err);
    /* DART up to 3.2 wraps another booster. */
    if (strcmp(key, "gbtree") == 0) return each_member(in, key, booster_member, err);
    if (strcmp(key, "weight_drop") == 0) return read_list(in, key, true, &in->tree_weights, err);
    if (strcmp(key, "name") == 0) {
        free(in->booster);
        in->booster = NULL;
        return document_string(in->document, key, &in->booster, err);
    }
    *known = false;
    return SPOT_OK;
}

/* ---- The learner ---------------------------------------------------------------------------- */

/* "[5E-1,2E-1]" since 3.1, "5E-1" before. */
static int read_base_score(struct xgboost_document *in, struct spot_error *err)
{
    int status = document_expect(in->document, DOCUMENT_TEXT, "base_score", err);
    if (status < 0) return status;
    struct reals *scores = &in->base_score;
    const char *at = document_text(in->document);
    const bool list = *at == '[';
    for (at += list, scores->count = 0; *at != '\0' && *at != ']'; at += *at == ',') {
        const char *end = at + strcspn(at, ",]");
        float score;
        if (!decimal_parse_float32(at, end, &score)) break;
        if (spot_grow((void **)&scores->values, &scores->capacity, scores->count + 1,
                      sizeof *scores->values) < 0)
            return spot_fail_memory(err, "the base score");
        scores->values[scores->count++] = (double)score;
        at = end;
    }
    if (scores->count > 0 && strcmp(at, list ? "]" : "") == 0) return SPOT_OK;
    return document_fail(in->document, err, "base_score is '%.60s'", document_text(in->document));
}

static int learner_parameter(struct xgboost_document *in, const char *key, bool *known,
                             struct spot_error *err)
{
    if (strcmp(key, "base_score") == 0) return read_base_score(in, err);
    if (strcmp(key, "num_class") == 0) return read_count(in, key, &in->classes, err);
    if (strcmp(key, "num_feature") == 0) return read_count(in, key, &in->features, err);
    if (strcmp(key, "num_target") == 0) return read_count(in, key, &in->targets, err);
    *known = false;
    return SPOT_OK;
}

static int attribute(struct xgboost_document *in, const char *key, bool *known,
                     struct spot_error *err)
{
    if (strcmp(key, "best_iteration") == 0) return read_count(in, key, &in->best_iteration, err);
    if (strcmp(key, "blackspot_encoder") == 0)
        return document_string(in->document, key, &in->encoder, err);
    *known = false;
    return SPOT_OK;
}

/* Adds a member that writers give back to the objective's JSON. */
static int keep_parameter(struct xgboost_document *in, const char *key, struct spot_error *err)
{
    char *value = NULL;
    int status = document_json(in->document, &value, err);
    if (status < 0) return status;
    const char *before = in->parameters != NULL ? in->parameters : "{}";
    const size_t kept = strlen(before) - 1, room = kept + strlen(key) + strlen(value) + 8;
    char *parameters = malloc(room);
    if (parameters != NULL)
        snprintf(parameters, room, "%.*s%s\"%s\":%s}", (int)kept, before, kept > 1 ? "," : "", key,
                 value);
    free(value);
    free(in->parameters);
    in->parameters = parameters;
    return parameters == NULL ? spot_fail_memory(err, "the objective") : SPOT_OK;
}

static int objective_member(struct xgboost_document *in, const char *key, bool *known,
                            struct spot_error *err)
{
    const size_t plain = strspn(key, "abcdefghijklmnopqrstuvwxyz_");
    if (strcmp(key, "name") == 0) return document_string(in->document, key, &in->objective, err);
    if (plain > 0 && key[plain] == '\0') return keep_parameter(in, key, err);
    *known = false;
    return SPOT_OK;
}

static int read_texts(struct xgboost_document *in, const char *key, struct texts *texts,
                      struct spot_error *err)
{
    if (texts->count > 0) return document_fail(in->document, err, "%s is there twice", key);
    int status = document_expect(in->document, DOCUMENT_ARRAY, key, err);
    while (status == SPOT_OK) {
        bool more;
        status = document_more(in->document, &more, err);
        if (status < 0 || !more) break;
        if (spot_grow((void **)&texts->items, &texts->capacity, texts->count + 1,
                      sizeof *texts->items) < 0)
            return spot_fail_memory(err, key);
        status = document_string(in->document, key, &texts->items[texts->count], err);
        texts->count += status == SPOT_OK;
    }
    return status;
}

static int learner_member(struct xgboost_document *in, const char *key, bool *known,
                          struct spot_error *err)
{
    if (strcmp(key, "attributes") == 0) return each_member(in, key, attribute, err);
    if (strcmp(key, "feature_names") == 0) return read_texts(in, key, &in->names, err);
    if (strcmp(key, "feature_types") == 0) return read_texts(in, key, &in->types, err);
    if (strcmp(key, "gradient_booster") == 0) return each_member(in, key, booster_member, err);
    if (strcmp(key, "learner_model_param") == 0)
        return each_member(in, key, learner_parameter, err);
    if (strcmp(key, "objective") == 0) return each_member(in, key, objective_member, err);
    *known = false;
    return SPOT_OK;
}

static int document_member(struct xgboost_document *in, const char *key, bool *known,
                           struct spot_error *err)
{
    if (strcmp(key, "learner") == 0) return each_member(in, key, learner_member, err);
    *known = false;
    return SPOT_OK;
}

/* ---- Putting it together -------------------------------------------------------------------- */

/* What an objective makes of margins, and how its base score becomes a margin. */
static const struct objective {
    const char *name;
    enum forest_link link;
    enum { BASE_ITSELF, BASE_LOGIT, BASE_LOG } base;
    bool classifier;
} objectives[] = {
    {"binary:logistic", LINK_SIGMOID, BASE_LOGIT, true},
    {"binary:logitraw", LINK_IDENTITY, BASE_ITSELF, true},
    {"binary:hinge", LINK_HINGE, BASE_ITSELF, true},
    {"reg:logistic", LINK_SIGMOID, BASE_LOGIT, false},
    {"multi:softprob", LINK_SOFTMAX, BASE_ITSELF, true},
    {"multi:softmax", LINK_SOFTMAX, BASE_ITSELF, true},
    {"count:poisson", LINK_EXP, BASE_LOG, false},
    {"reg:gamma", LINK_EXP, BASE_LOG, false},
    {"reg:tweedie", LINK_EXP, BASE_LOG, false},
    {"survival:aft", LINK_EXP, BASE_LOG, false},
    {"survival:cox", LINK_EXP, BASE_LOG, false},
    {NULL, LINK_IDENTITY, BASE_ITSELF, false}, /* the other regressions and rankings */
};

static const struct objective *objective_of(const char *name)
{
    const struct objective *objective = objectives;
    while (objective->name != NULL && strcmp(objective->name, name) != 0)
        objective++;
    return objective;
}

static double base_margin(const struct objective *objective, float score)
{
    if (objective->base == BASE_LOG) return (double)logf(score);
    if (objective->base == BASE_ITSELF) return (double)score;
    const float edge = 1e-6f;
    const float inside = score < edge ? edge : score > 1.0f - edge ? 1.0f - edge : score;
    return (double)-logf(1.0f / inside - 1.0f);
}

static int64_t outputs_of(const struct xgboost_document *in)
{
    const int64_t most = in->classes > in->targets ? in->classes : in->targets;
    return most > 1 ? most : 1;
}

static int check_document(const struct xgboost_document *in, struct spot_error *err)
{
    struct document *document = in->document;
    if (in->booster != NULL && strcmp(in->booster, "gblinear") == 0)
        return document_fail(document, err,
                             "a linear model (gblinear), not trees; train with booster gbtree");
    if (in->booster == NULL || in->objective == NULL || in->base_score.count == 0)
        return document_fail(document, err,
                             "no model of XGBoost: its learner needs gradient_booster, "
                             "learner_model_param and objective");
    if (outputs_of(in) > FOREST_MOST_OUTPUTS)
        return document_fail(document, err,
                             "num_class or num_target is %lld, more than any model's",
                             (long long)outputs_of(in));
    if (in->announced_trees >= 0 && in->announced_trees != in->trees)
        return document_fail(document, err, "num_trees announces %lld trees, but there are %lld",
                             (long long)in->announced_trees, (long long)in->trees);
    if (in->trees != in->tree_info.count)
        return document_fail(document, err, "%lld trees, but tree_info has %lld",
                             (long long)in->trees, (long long)in->tree_info.count);
    if (in->tree_weights.values != NULL && in->tree_weights.count != in->trees)
        return document_fail(document, err, "%lld trees, but weight_drop has %lld",
                             (long long)in->trees, (long long)in->tree_weights.count);
    if ((in->names.count > 0 && in->names.count != in->features) ||
        (in->types.count > 0 && in->types.count != in->features))
        return document_fail(
            document, err, "%lld features, but %lld names and %lld types of features",
            (long long)in->features, (long long)in->names.count, (long long)in->types.count);
    return SPOT_OK;
}

/* Trees of an iteration: one for each output, unless leaves are vectors. Before 1.6 the file does
 * not say where iterations begin. */
static int64_t iterations_of(const struct xgboost_document *in)
{
    if (in->iteration_trees.count > 0) return in->iteration_trees.count - 1;
    const int64_t parallel = in->parallel_trees > 0 ? in->parallel_trees : 1;
    const int64_t together = parallel * (in->vector_size > 1 ? 1 : outputs_of(in));
    return (in->trees + together - 1) / together;
}

static int32_t clamped(double value)
{
    return value >= INT32_MIN && value <= INT32_MAX ? (int32_t)value : INT32_MIN;
}

static void set_iterations(const struct xgboost_document *in, struct forest *forest)
{
    const int32_t iterations = forest->iterations;
    for (int32_t i = 0; i <= iterations; i++) {
        const int64_t even = iterations == 0 ? 0 : (int64_t)forest->trees * i / iterations;
        forest->iteration_trees[i] =
            in->iteration_trees.count > 0 ? clamped(in->iteration_trees.values[i]) : (int32_t)even;
    }
}

/* Moves what was read into the model. */
static int set_trees(struct xgboost_document *in, spot_forest *model, struct spot_error *err)
{
    struct forest *forest = &model->forest, *read = &in->forest;
    if (in->trees > 0) {
        free(forest->first_node);
        forest->first_node = read->first_node;
        read->first_node = NULL;
    }
    for (int64_t t = 0; t < in->trees; t++)
        forest->tree_output[t] = in->vector_size > 1 ? -1 : clamped(in->tree_info.values[t]);
    if (in->vector_size > 1 && in->vector_size != forest->outputs)
        return document_fail(in->document, err, "leaves of %lld values for %d outputs",
                             (long long)in->vector_size, forest->outputs);
    if (in->tree_weights.values != NULL) {
        forest->tree_weight = spot_alloc(in->trees, sizeof *forest->tree_weight);
        if (forest->tree_weight == NULL) return spot_fail_memory(err, "the trees");
        for (int64_t t = 0; t < in->trees; t++)
            forest->tree_weight[t] = (float)in->tree_weights.values[t];
    }
    set_iterations(in, forest);
    forest->nodes = read->nodes;
    forest->left = read->left;
    forest->right = read->right;
    forest->feature = read->feature;
    forest->flags = read->flags;
    forest->threshold = read->threshold;
    forest->value = read->value;
    forest->gain = read->gain;
    forest->cover = read->cover;
    forest->first_word = read->first_word;
    forest->category_bits = read->category_bits;
    forest->vector = read->vector;
    forest->leaf_vectors = read->leaf_vectors;
    forest->leaf_vectors_count = read->leaf_vectors_count;
    *read = (struct forest){0};
    if (in->words == 0) {
        free(forest->first_word);
        forest->first_word = NULL;
    }
    if (in->vector_size <= 1) {
        free(forest->vector);
        forest->vector = NULL;
    }
    return SPOT_OK;
}

static int set_model(struct xgboost_document *in, spot_forest *model, struct spot_error *err)
{
    const struct objective *objective = objective_of(in->objective);
    const int32_t outputs = model->forest.outputs;
    if (in->base_score.count != 1 && in->base_score.count != outputs)
        return document_fail(in->document, err, "%lld base scores for %d outputs",
                             (long long)in->base_score.count, outputs);
    model->base_score = spot_alloc(outputs, sizeof *model->base_score);
    if (model->base_score == NULL) return spot_fail_memory(err, "the base score");
    for (int32_t o = 0; o < outputs; o++) {
        const int64_t of = in->base_score.count > 1 ? o : 0;
        model->base_score[o] = in->base_score.values[of];
        model->base_margin[o] = base_margin(objective, (float)model->base_score[o]);
    }
    model->link = objective->link;
    model->link_parameter = 1.0;
    if (objective->classifier) model->classes = outputs > 1 ? outputs : 2;
    if (in->best_iteration >= 0 && in->best_iteration < model->forest.iterations)
        model->best_iteration = (int32_t)in->best_iteration + 1;
    model->objective = in->objective;
    model->objective_parameters = in->parameters;
    model->encoder = in->encoder;
    model->categories = in->categories;
    in->objective = in->parameters = in->encoder = in->categories = NULL;
    if (in->names.count > 0) model->features = in->names.items;
    if (in->types.count > 0) model->feature_types = in->types.items;
    if (in->names.count > 0) in->names = (struct texts){0};
    if (in->types.count > 0) in->types = (struct texts){0};
    return SPOT_OK;
}

static void free_texts(struct texts *texts)
{
    for (int64_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    free(texts->items);
}

static void close_reading(struct xgboost_document *in)
{
    document_close(in->document);
    forest_clear(&in->forest);
    for (int f = 0; f < TREE_FIELDS; f++)
        free(in->fields[f].values);
    free(in->tree_info.values);
    free(in->iteration_trees.values);
    free(in->tree_weights.values);
    free(in->base_score.values);
    free(in->booster);
    free(in->objective);
    free(in->parameters);
    free(in->encoder);
    free(in->categories);
    free_texts(&in->names);
    free_texts(&in->types);
}

/* XGBoost's formats before JSON begin with these words, or with the bytes of a number. */
static bool is_old_binary(const char *path)
{
    unsigned char head[4] = {0};
    FILE *file = fopen(path, "rbe");
    if (file == NULL) return false;
    const bool there = fread(head, 1, 4, file) == 4;
    fclose(file);
    return there && (memcmp(head, "binf", 4) == 0 || memcmp(head, "bs64", 4) == 0 || head[0] == 0 ||
                     (head[0] < 0x20 && strchr("\t\n\r", head[0]) == NULL) || head[0] >= 0x80);
}

int xgboost_read(const char *path, spot_forest **out, struct spot_error *err)
{
    struct xgboost_document in = {.best_iteration = -1, .announced_trees = -1};
    spot_forest *model = NULL;
    int status;
    *out = NULL;
    if (is_old_binary(path))
        return spot_fail(err, SPOT_EFORMAT,
                         "%.300s: neither JSON, UBJSON nor LightGBM's text; if it is XGBoost's old "
                         "binary format, open it with XGBoost 1.0 to 3.0 and save it with "
                         "save_model('model.json')",
                         path);
    SPOT_TRY(document_open(path, &in.document, err));
    SPOT_TRY(each_member(&in, "the document", document_member, err));
    SPOT_TRY(document_expect(in.document, DOCUMENT_END, "what follows the model", err));
    SPOT_TRY(check_document(&in, err));
    model = forest_new(FOREST_XGBOOST, (int32_t)in.features, (int32_t)outputs_of(&in),
                       (int32_t)in.trees, (int32_t)iterations_of(&in));
    if (model == NULL) {
        status = spot_fail_memory(err, path);
        goto out;
    }
    SPOT_TRY(set_trees(&in, model, err));
    SPOT_TRY(set_model(&in, model, err));
out:
    close_reading(&in);
    if (status < 0) {
        spot_forest_free(model);
        model = NULL;
    }
    *out = model;
    return status;
}
