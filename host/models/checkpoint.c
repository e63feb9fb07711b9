/* The file: 16 bytes of text, then 64-bit words, the lowest byte first: version, number of fits,
 * the fits one after the other, and a hash of all words before it. */
#define _POSIX_C_SOURCE 200809L
#include "models/checkpoint.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/pool.h"
#include "data/writer.h"
#include "models/row_batches.h"

static const char magic[17] = "blackspot check\n";

enum { VERSION = 1, MAGIC_WORDS = 2, LEAST_WORDS = MAGIC_WORDS + 3 };
enum { HEAD_WORDS = sizeof(struct checkpoint_head) / sizeof(uint64_t) };

/* ---- Words ---------------------------------------------------------------------------------- */

void words_put(uint64_t **at, const void *values, int64_t count)
{
    memcpy(*at, values, (size_t)count * sizeof **at);
    *at += count;
}

void words_get(const uint64_t **at, void *values, int64_t count)
{
    memcpy(values, *at, (size_t)count * sizeof **at);
    *at += count;
}

uint64_t real_word(double value)
{
    uint64_t word;
    memcpy(&word, &value, sizeof word);
    return word;
}

/* The finaliser of splitmix64 (Steele et al. 2014). */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t words_hash(uint64_t start, const void *words, int64_t count)
{
    const char *at = words;
    for (int64_t i = 0; i < count; i++, at += sizeof start) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        start = mix(start + UINT64_C(0x9e3779b97f4a7c15) + word);
    }
    return start;
}

/* ---- Rows ----------------------------------------------------------------------------------- */

enum { CHUNK_ROWS = 16384 };

struct hashed_rows {
    const struct spot_matrix *rows; /* a batch */
    int64_t first;                  /* its first row */
    _Atomic uint64_t sum;
};

static uint64_t row_hash(const struct spot_matrix *rows, int64_t first, int64_t row)
{
    const int64_t at = row * rows->columns;
    uint64_t hash = (uint64_t)(first + row);
    if (rows->weights != NULL) hash = words_hash(hash, &rows->weights[row], 1);
    if (rows->values64 != NULL) return mix(words_hash(hash, &rows->values64[at], rows->columns));
    for (int32_t j = 0; j < rows->columns; j++) {
        uint32_t bits;
        memcpy(&bits, &rows->values[at + j], sizeof bits);
        hash = (hash ^ bits) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return mix(hash);
}

static void hash_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    struct hashed_rows *hashed = arg;
    const int64_t rows = hashed->rows->rows, first = task * CHUNK_ROWS;
    const int64_t end = first + CHUNK_ROWS < rows ? first + CHUNK_ROWS : rows;
    uint64_t sum = 0;
    for (int64_t i = first; i < end; i++)
        sum += row_hash(hashed->rows, hashed->first, i);
    atomic_fetch_add(&hashed->sum, sum);
}

int checkpoint_rows(const struct spot_matrix *rows, struct spot_pool *pool, uint64_t *hash,
                    struct spot_error *err)
{
    int status;
    struct spot_matrix batch;
    struct hashed_rows hashed = {.rows = &batch};
    struct row_batches batches;
    SPOT_TRY(row_batches_open(&batches, rows, 0, err));
    for (;;) {
        SPOT_TRY(row_batches_next(&batches, &hashed.first, &batch, err));
        if (batch.rows == 0) break;
        pool_run(pool, (batch.rows + CHUNK_ROWS - 1) / CHUNK_ROWS, hash_task, &hashed);
    }
    *hash = hashed.sum + rows_weighted(rows);
out:
    row_batches_close(&batches);
    return status;
}

/* ---- Fits ----------------------------------------------------------------------------------- */

spot_checkpoint *spot_checkpoint_new(void)
{
    return calloc(1, sizeof(spot_checkpoint));
}

void spot_checkpoint_free(spot_checkpoint *checkpoint)
{
    if (checkpoint == NULL) return;
    for (int64_t i = 0; i < checkpoint->count; i++)
        free(checkpoint->fits[i].state);
    free(checkpoint->fits);
    free(checkpoint->path);
    free(checkpoint->save_path);
    free(checkpoint);
}

static struct checkpoint_fit *fit_of(const spot_checkpoint *checkpoint, int64_t k)
{
    for (int64_t i = 0; i < checkpoint->count; i++)
        if (checkpoint->fits[i].head.k == k) return &checkpoint->fits[i];
    return NULL;
}

static const char *name_of(const spot_checkpoint *checkpoint)
{
    return checkpoint->path != NULL ? checkpoint->path : "the checkpoint";
}

static const char remedy[] = "go on with the same data and options, or delete it to start afresh";

static int check_rows(const spot_checkpoint *checkpoint, const struct checkpoint_head *then,
                      const struct checkpoint_head *now, struct spot_error *err)
{
    const char *name = name_of(checkpoint);
    if (then->kind != now->kind)
        return spot_fail(err, SPOT_EUSAGE, "%.300s: of another kind of model; %s", name, remedy);
    if (then->rows != now->rows || then->columns != now->columns)
        return spot_fail(err, SPOT_EUSAGE,
                         "%.300s: made from %lld rows of %lld columns, and these are %lld of %lld; "
                         "%s",
                         name, (long long)then->rows, (long long)then->columns,
                         (long long)now->rows, (long long)now->columns, remedy);
    if (then->values != now->values)
        return spot_fail(err, SPOT_EUSAGE,
                         "%.300s: made from other values or weights, or from rows in another "
                         "order; %s",
                         name, remedy);
    return SPOT_OK;
}

static int refuse_option(const spot_checkpoint *checkpoint, const struct checkpoint_option *option,
                         uint64_t then, uint64_t now, struct spot_error *err)
{
    const char *name = name_of(checkpoint);
    double before, after;
    memcpy(&before, &then, sizeof before);
    memcpy(&after, &now, sizeof after);
    switch (option->type) {
    case OPTION_REAL:
        return spot_fail(err, SPOT_EUSAGE, "%.300s: made with %s %g, and now it is %g; %s", name,
                         option->name, before, after, remedy);
    case OPTION_WHOLE:
        return spot_fail(err, SPOT_EUSAGE, "%.300s: made with %s %llu, and now it is %llu; %s",
                         name, option->name, (unsigned long long)then, (unsigned long long)now,
                         remedy);
    default:
        return spot_fail(err, SPOT_EUSAGE, "%.300s: made with another %s; %s", name, option->name,
                         remedy);
    }
}

int checkpoint_refuse(const spot_checkpoint *checkpoint, int64_t k, struct spot_error *err)
{
    return spot_fail(err, SPOT_EFORMAT,
                     "%.300s: the fit with k = %lld holds what no fit has; delete it to start "
                     "afresh",
                     name_of(checkpoint), (long long)k);
}

int checkpoint_find(const spot_checkpoint *checkpoint, const struct checkpoint_head *head,
                    const struct checkpoint_option *options, const struct checkpoint_fit **found,
                    struct spot_error *err)
{
    *found = NULL;
    const struct checkpoint_fit *fit = fit_of(checkpoint, head->k);
    if (fit == NULL) return SPOT_OK;
    const struct checkpoint_head *then = &fit->head;
    int status = check_rows(checkpoint, then, head, err);
    for (int i = 0; status == SPOT_OK && options[i].name != NULL; i++)
        if (then->options[i] != head->options[i])
            status =
                refuse_option(checkpoint, &options[i], then->options[i], head->options[i], err);
    if (status < 0) return status;
    if (then->stage < STAGE_START || then->stage > STAGE_ENDED || then->run < 0 ||
        then->run > INT32_MAX || then->iterations < 0 || then->iterations > INT32_MAX)
        return checkpoint_refuse(checkpoint, head->k, err);
    *found = fit;
    return SPOT_OK;
}

void checkpoint_log(const spot_engine *engine, const struct checkpoint_head *head, int32_t runs)
{
    const int k = (int)head->k, run = (int)head->run;
    if (run == runs)
        engine_log(engine, SPOT_LOG_INFO, "k %d: taken from the checkpoint", k);
    else if (head->stage == STAGE_START)
        engine_log(engine, SPOT_LOG_INFO, "k %d: goes on with run %d of %d", k, run + 1, (int)runs);
    else
        engine_log(engine, SPOT_LOG_INFO, "k %d: goes on with run %d of %d after iteration %d", k,
                   run + 1, (int)runs, (int)head->iterations);
}

int checkpoint_put(spot_checkpoint *checkpoint, const struct checkpoint_head *head,
                   uint64_t **state, struct spot_error *err)
{
    uint64_t *room = spot_alloc(head->count, sizeof *room);
    struct checkpoint_fit *fit = fit_of(checkpoint, head->k);
    if (room == NULL || (fit == NULL && spot_grow((void **)&checkpoint->fits, &checkpoint->capacity,
                                                  checkpoint->count + 1, sizeof *fit) < 0)) {
        free(room);
        return spot_fail_memory(err, "the checkpoint");
    }
    if (fit == NULL)
        fit = &checkpoint->fits[checkpoint->count++];
    else
        free(fit->state);
    *fit = (struct checkpoint_fit){.head = *head, .state = room};
    *state = room;
    return SPOT_OK;
}

int32_t spot_checkpoint_fits(const spot_checkpoint *checkpoint)
{
    return (int32_t)checkpoint->count;
}

struct spot_checkpoint_fit spot_checkpoint_at(const spot_checkpoint *checkpoint, int32_t index)
{
    const struct checkpoint_head *head = &checkpoint->fits[index].head;
    return (struct spot_checkpoint_fit){
        .k = (int32_t)head->k,
        .run = (int32_t)head->run,
        .iterations = head->stage == STAGE_START ? 0 : (int32_t)head->iterations};
}

/* ---- Writing -------------------------------------------------------------------------------- */

struct output {
    struct writer *writer;
    uint64_t hash;
};

static int put_words(struct output *out, const void *words, int64_t count, struct spot_error *err)
{
    out->hash = words_hash(out->hash, words, count);
    return writer_put(out->writer, words, (size_t)count * sizeof(uint64_t), err);
}

int spot_checkpoint_save(const spot_checkpoint *checkpoint, const char *path,
                         struct spot_error *err)
{
    int status = SPOT_OK;
    struct output out = {0};
    const uint64_t start[] = {VERSION, (uint64_t)checkpoint->count};
    SPOT_TRY(writer_open(path, &out.writer, err));
    SPOT_TRY(put_words(&out, magic, MAGIC_WORDS, err));
    SPOT_TRY(put_words(&out, start, 2, err));
    for (int64_t i = 0; i < checkpoint->count; i++) {
        const struct checkpoint_fit *fit = &checkpoint->fits[i];
        SPOT_TRY(put_words(&out, &fit->head, HEAD_WORDS, err));
        SPOT_TRY(put_words(&out, fit->state, fit->head.count, err));
    }
    SPOT_TRY(writer_put(out.writer, &out.hash, sizeof out.hash, err));
    status = writer_commit(out.writer, err);
    out.writer = NULL;
out:
    writer_abandon(out.writer);
    return status;
}

/* ---- In time -------------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

int spot_checkpoint_every(spot_checkpoint *checkpoint, const char *path, double seconds,
                          struct spot_error *err)
{
    if (!(seconds >= 0) || isinf(seconds))
        return spot_fail(err, SPOT_EUSAGE,
                         "a checkpoint every %g seconds: it is finite and not "
                         "negative",
                         seconds);
    char *copy = spot_copy_text(path);
    if (copy == NULL) return spot_fail_memory(err, "the checkpoint");
    free(checkpoint->save_path);
    checkpoint->save_path = copy;
    checkpoint->every = seconds;
    checkpoint->due = now() + seconds;
    return SPOT_OK;
}

bool checkpoint_is_due(const spot_checkpoint *checkpoint)
{
    return checkpoint != NULL && checkpoint->save_path != NULL && now() >= checkpoint->due;
}

void checkpoint_write(spot_checkpoint *checkpoint, const spot_engine *engine)
{
    struct spot_error err = {0};
    if (spot_checkpoint_save(checkpoint, checkpoint->save_path, &err) < 0)
        engine_log(engine, SPOT_LOG_WARNING, "no checkpoint: %s", err.message);
    else
        engine_log(engine, SPOT_LOG_DEBUG, "%s holds the training so far", checkpoint->save_path);
    checkpoint->due = now() + checkpoint->every;
}

/* ---- Reading -------------------------------------------------------------------------------- */

static int read_words(const char *path, uint64_t **words, int64_t *count, struct spot_error *err)
{
    int status = SPOT_OK;
    struct stat about;
    *words = NULL;
    FILE *file = fopen(path, "rbe");
    if (file == NULL || fstat(fileno(file), &about) != 0) {
        status = spot_fail(err, SPOT_EIO, "%s: cannot open: %s", path, strerror(errno));
        goto out;
    }
    if (!S_ISREG(about.st_mode)) {
        status = spot_fail(err, SPOT_EFORMAT, "%s: a checkpoint is a file", path);
        goto out;
    }
    *count = about.st_size / (int64_t)sizeof **words;
    *words = spot_alloc(*count, sizeof **words);
    if (*words == NULL) {
        status = spot_fail_memory(err, path);
        goto out;
    }
    if (fread(*words, sizeof **words, (size_t)*count, file) != (size_t)*count)
        status = spot_fail(err, SPOT_EIO, "%s: cannot read: %s", path, strerror(errno));
    if (about.st_size % (int64_t)sizeof **words != 0) *count = 0; /* cut short */
out:
    if (file != NULL) fclose(file);
    return status;
}

static int check_words(const char *path, const uint64_t *words, int64_t count,
                       struct spot_error *err)
{
    if (count > 0 && (count < MAGIC_WORDS || memcmp(words, magic, sizeof magic - 1) != 0))
        return spot_fail(err, SPOT_EFORMAT, "%s: not a checkpoint of blackspot", path);
    if (count >= LEAST_WORDS && words[MAGIC_WORDS] != VERSION)
        return spot_fail(err, SPOT_EFORMAT,
                         "%s: a checkpoint of version %llu; this program knows version %d", path,
                         (unsigned long long)words[MAGIC_WORDS], (int)VERSION);
    if (count < LEAST_WORDS || words_hash(0, words, count - 1) != words[count - 1])
        return spot_fail(err, SPOT_EFORMAT, "%s: damaged or cut short; delete it to start afresh",
                         path);
    return SPOT_OK;
}

/* One fit at *at, of which `left` words are there; moves on. */
static int read_fit(spot_checkpoint *checkpoint, const uint64_t **at, int64_t *left,
                    struct spot_error *err)
{
    struct checkpoint_head head;
    uint64_t *state;
    if (*left < HEAD_WORDS) return checkpoint_refuse(checkpoint, 0, err);
    words_get(at, &head, HEAD_WORDS);
    *left -= HEAD_WORDS;
    if (head.k < 1 || head.k > INT32_MAX || head.count < 0 || head.count > *left ||
        fit_of(checkpoint, head.k) != NULL)
        return checkpoint_refuse(checkpoint, head.k, err);
    int status = checkpoint_put(checkpoint, &head, &state, err);
    if (status < 0) return status;
    words_get(at, state, head.count);
    *left -= head.count;
    return SPOT_OK;
}

int spot_checkpoint_load(const char *path, spot_checkpoint **out, struct spot_error *err)
{
    int status;
    uint64_t *words = NULL;
    int64_t count = 0;
    spot_checkpoint *checkpoint = NULL;
    *out = NULL;
    SPOT_TRY(read_words(path, &words, &count, err));
    SPOT_TRY(check_words(path, words, count, err));
    checkpoint = spot_checkpoint_new();
    if (checkpoint == NULL || (checkpoint->path = spot_copy_text(path)) == NULL) {
        status = spot_fail_memory(err, path);
        goto out;
    }
    const uint64_t *at = words + MAGIC_WORDS + 2;
    int64_t left = count - LEAST_WORDS;
    for (uint64_t i = 0; i < words[MAGIC_WORDS + 1]; i++)
        SPOT_TRY(read_fit(checkpoint, &at, &left, err));
    if (left != 0) status = checkpoint_refuse(checkpoint, 0, err);
out:
    free(words);
    if (status < 0) {
        spot_checkpoint_free(checkpoint);
        checkpoint = NULL;
    }
    *out = checkpoint;
    return status;
}
