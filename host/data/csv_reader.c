/* Reading tables: window by window, the pieces of one window parsed on all threads while the next
 * window is filled, the batches handed over in row order. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/csv_build.h"
#include "data/csv_window.h"

enum {
    CHUNKS_PER_THREAD = 8, /* in a window, so that uneven pieces balance */
    FEWEST_CHUNKS = 8,     /* a window has room for the longest record twice */
    MANY_CHUNKS = 32,      /* more only to give each thread one: windows are memory */
    MOST_CHUNKS = 64,
};

struct table_reader {
    char **files; /* (files_count) */
    int files_count;
    char delimiter;
    enum text_encoding encoding;
    bool drop, rewindable;
    char *spool_dir;
    struct spot_pool *pool;
    struct source **sources;  /* (files_count) open ones; those that reopen are closed after use */
    struct csv_header header; /* of the first file */
    int64_t bytes;            /* of text in the last table_each */
};

/* One table_each. */
struct pass {
    struct table_reader *reader;
    const struct table_visitor *visitor;
    const struct column_spec *specs;
    int32_t specs_count;
    int workers;
    struct csv_work *work; /* (workers) */
    int64_t rows;
    int64_t bytes_before, bytes_total; /* of files, as they are on the disk; total 0: unknown */
    struct spot_error *err;

    /* of the current file */
    struct csv_plan plan;
    struct source *source;
    struct csv_window windows[2];
    struct csv_window *now, *next;
    int64_t fill_tasks;     /* for next */
    struct result *results; /* (results_capacity) of the pieces of now */
    int64_t results_capacity;
};

struct result {
    struct batch *batch;
    int status;
    struct spot_error error;
    bool seen; /* by the visitor's work() */
};

/* ---- Opening --------------------------------------------------------------------------------- */

static int check_options(const struct table_options *options, struct spot_error *err)
{
    if (options->files_count < 1) return spot_fail(err, SPOT_EUSAGE, "no input file is given");
    char delimiter = options->delimiter;
    if (delimiter == '"' || delimiter == '\n' || delimiter == '\r')
        return spot_fail(err, SPOT_EUSAGE,
                         "delimiter: a quote or a line end cannot separate fields");
    int standard = 0;
    for (int i = 0; i < options->files_count; i++) {
        struct stat info;
        const char *path = options->files[i];
        if (strcmp(path, "-") == 0) {
            if (++standard == 2)
                return spot_fail(err, SPOT_EUSAGE, "standard input ('-') is given twice");
        } else if (i > 0 && stat(path, &info) != 0) {
            struct source *source; /* for its message */
            int status = source_open(path, NULL, false, &source, err);
            source_close(source);
            if (status < 0) return status;
        }
    }
    return SPOT_OK;
}

static const char *shown_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

static int copy_options(const struct table_options *options, struct table_reader *reader,
                        struct spot_error *err)
{
    reader->delimiter = options->delimiter;
    reader->encoding = options->encoding;
    reader->drop = options->drop_bad_rows;
    reader->rewindable = options->rewindable;
    reader->files = spot_alloc_zero(options->files_count, sizeof *reader->files);
    reader->sources = spot_alloc_zero(options->files_count, sizeof *reader->sources);
    if (reader->files == NULL || reader->sources == NULL) return spot_fail_memory(err, "a reader");
    reader->files_count = options->files_count;
    for (int i = 0; i < options->files_count; i++) {
        reader->files[i] = spot_copy_text(options->files[i]);
        if (reader->files[i] == NULL) return spot_fail_memory(err, "a reader");
    }
    if (options->spool_dir == NULL) return SPOT_OK;
    reader->spool_dir = spot_copy_text(options->spool_dir);
    return reader->spool_dir != NULL ? SPOT_OK : spot_fail_memory(err, "a reader");
}

/* Opens file i, or goes back to its beginning. */
static int open_source(struct table_reader *reader, int i, struct spot_error *err)
{
    if (reader->sources[i] != NULL) return source_rewind(reader->sources[i], err);
    return source_open(reader->files[i], reader->spool_dir, reader->rewindable, &reader->sources[i],
                       err);
}

int table_open(const struct table_options *options, struct spot_pool *pool,
               struct table_reader **out, struct spot_error *err)
{
    *out = NULL;
    int status;
    struct table_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) return spot_fail_memory(err, "a reader");
    reader->pool = pool;
    SPOT_TRY(check_options(options, err));
    SPOT_TRY(copy_options(options, reader, err));
    SPOT_TRY(open_source(reader, 0, err));
    SPOT_TRY(csv_header_read(reader->sources[0], table_file_name(reader, 0), reader->delimiter,
                             reader->encoding, &reader->header, err));
    *out = reader;
    reader = NULL;
out:
    table_close(reader);
    return status;
}

void table_close(struct table_reader *reader)
{
    if (reader == NULL) return;
    for (int i = 0; i < reader->files_count; i++) {
        free(reader->files[i]);
        source_close(reader->sources[i]);
    }
    free(reader->files);
    free(reader->sources);
    free(reader->spool_dir);
    csv_header_free(&reader->header);
    free(reader);
}

const char *const *table_header(const struct table_reader *reader, int32_t *count)
{
    *count = reader->header.count;
    return (const char *const *)reader->header.names;
}

const char *table_file_name(const struct table_reader *reader, int32_t file)
{
    return shown_name(reader->files[file]);
}

int64_t table_bytes(const struct table_reader *reader)
{
    return reader->bytes;
}

/* ---- One window ------------------------------------------------------------------------------ */

static void build_piece(struct pass *pass, int64_t i, int worker)
{
    struct result *result = &pass->results[i];
    const struct table_visitor *visitor = pass->visitor;
    result->status = csv_build(&pass->plan, &pass->now->pieces[i], &pass->work[worker],
                               &result->batch, &result->error);
    if (result->status < 0 || visitor->work == NULL) return;
    result->seen = true;
    result->status = visitor->work(visitor->arg, result->batch, worker, &result->error);
}

/* A stream is filled by one long task, which had better begin first; the short tasks of a plain
 * file fill the gaps at the end. */
static void run_task(void *arg, int64_t task, int worker)
{
    struct pass *pass = arg;
    int64_t pieces = pass->now->pieces_count;
    bool stream = source_plain_size(pass->source) < 0;
    int64_t fill = stream ? task : task - pieces;
    if (fill >= 0 && fill < pass->fill_tasks)
        csv_window_fill(pass->next, pass->source, fill);
    else
        build_piece(pass, stream ? task - pass->fill_tasks : task, worker);
}

static void discard_batch(const struct table_visitor *visitor, struct result *result)
{
    if (result->seen && visitor->discard != NULL) visitor->discard(visitor->arg, result->batch);
    batch_free(result->batch);
    result->batch = NULL;
}

/* Hands the batches over in order, up to the first error. */
static int take_batches(struct pass *pass)
{
    const struct table_visitor *visitor = pass->visitor;
    int status = SPOT_OK;
    for (int64_t i = 0; i < pass->now->pieces_count; i++) {
        struct result *result = &pass->results[i];
        if (status == SPOT_OK && result->status < 0) {
            status = result->status;
            if (pass->err != NULL) *pass->err = result->error;
        }
        if (status < 0 || visitor->take == NULL) {
            if (status == SPOT_OK) pass->rows += result->batch->rows;
            discard_batch(visitor, result);
            continue;
        }
        result->batch->first_row = pass->rows;
        pass->rows += result->batch->rows;
        int taken = visitor->take(visitor->arg, result->batch, pass->err);
        result->batch = NULL;
        if (taken < 0) status = taken;
    }
    return status;
}

static int report_progress(struct pass *pass)
{
    if (pass->visitor->progress == NULL) return SPOT_OK;
    int64_t bytes = pass->now->offset + pass->now->filled;
    if (source_plain_size(pass->source) < 0) bytes = source_consumed(pass->source);
    if (pass->visitor->progress(pass->visitor->arg, pass->rows, pass->bytes_before + bytes,
                                pass->bytes_total) != 0)
        return spot_fail(pass->err, SPOT_ESTOPPED, "stopped while reading %s", pass->plan.file);
    return SPOT_OK;
}

static int reserve_results(struct pass *pass)
{
    int64_t count = pass->now->pieces_count;
    if (spot_grow((void **)&pass->results, &pass->results_capacity, count, sizeof *pass->results) <
        0)
        return spot_fail_memory(pass->err, "the batches of a table");
    for (int64_t i = 0; i < count; i++)
        pass->results[i] = (struct result){0};
    return SPOT_OK;
}

/* ---- One file -------------------------------------------------------------------------------- */

/* As many chunks as keep the threads busy, or as the file has. A stream's windows are small: its
 * one filling task is what the others wait for. */
static int64_t window_chunks(const struct pass *pass)
{
    int64_t chunks = (int64_t)pass->workers * CHUNKS_PER_THREAD;
    int64_t size = source_plain_size(pass->source);
    if (size < 0) return FEWEST_CHUNKS;
    if (chunks > MANY_CHUNKS) chunks = pass->workers > MANY_CHUNKS ? pass->workers : MANY_CHUNKS;
    if (chunks > MOST_CHUNKS) chunks = MOST_CHUNKS;
    if (chunks > size / CSV_CHUNK + 1) chunks = size / CSV_CHUNK + 1;
    return chunks < FEWEST_CHUNKS ? FEWEST_CHUNKS : chunks;
}

static int read_windows(struct pass *pass, const struct csv_header *header)
{
    int status;
    struct csv_place place = {.line = header->lines + 1};
    pass->now = &pass->windows[0];
    pass->next = &pass->windows[1];
    SPOT_TRY(csv_window_open(window_chunks(pass), pass->now, pass->err));
    SPOT_TRY(csv_window_open(window_chunks(pass), pass->next, pass->err));
    place.text = pass->next->fill + header->bytes;
    pass->now->pieces_count = 0;
    pass->fill_tasks = csv_window_prepare(pass->next, pass->source, 0);
    pool_run(pass->reader->pool, pass->fill_tasks, run_task, pass);
    do {
        struct csv_window *filled = pass->next;
        pass->next = pass->now;
        pass->now = filled;
        bool ends = filled->last || filled->status < 0;
        pass->reader->bytes += filled->filled;
        if (filled->status == SPOT_OK || source_plain_size(pass->source) < 0)
            SPOT_TRY(csv_window_settle(filled, pass->plan.delimiter, pass->reader->pool, &place,
                                       pass->err));
        SPOT_TRY(reserve_results(pass));
        pass->fill_tasks =
            ends ? 0
                 : csv_window_prepare(pass->next, pass->source, filled->offset + filled->filled);
        pool_run(pass->reader->pool, filled->pieces_count + pass->fill_tasks, run_task, pass);
        SPOT_TRY(take_batches(pass));
        if (filled->status < 0) {
            status = filled->status;
            if (pass->err != NULL) *pass->err = filled->error;
            goto out;
        }
        SPOT_TRY(report_progress(pass));
    } while (!pass->now->last);
out:
    csv_window_close(&pass->windows[0]);
    csv_window_close(&pass->windows[1]);
    return status;
}

static int read_file(struct pass *pass, int i)
{
    struct table_reader *reader = pass->reader;
    struct csv_header header = {0};
    int status;
    pass->plan = (struct csv_plan){.file = table_file_name(reader, i),
                                   .file_index = i,
                                   .encoding = reader->encoding,
                                   .drop = reader->drop};
    SPOT_TRY(open_source(reader, i, pass->err));
    pass->source = reader->sources[i];
    SPOT_TRY(csv_header_read(pass->source, pass->plan.file, reader->delimiter, reader->encoding,
                             &header, pass->err));
    SPOT_TRY(csv_plan_make(&header, pass->specs, pass->specs_count, &pass->plan, pass->err));
    SPOT_TRY(read_windows(pass, &header));
    pass->bytes_before += source_total(pass->source);
out:
    csv_plan_free(&pass->plan);
    csv_header_free(&header);
    if (reader->sources[i] != NULL && source_reopens(reader->sources[i])) {
        source_close(reader->sources[i]);
        reader->sources[i] = NULL;
    }
    return status;
}

/* Bytes of all files, 0 when one of them is a pipe. */
static int64_t total_bytes(const struct table_reader *reader)
{
    int64_t total = 0;
    for (int i = 0; i < reader->files_count; i++) {
        struct stat info;
        if (reader->sources[i] != NULL) {
            info.st_size = source_total(reader->sources[i]);
            if (info.st_size == 0) return 0;
        } else if (strcmp(reader->files[i], "-") == 0 || stat(reader->files[i], &info) != 0 ||
                   !S_ISREG(info.st_mode)) {
            return 0;
        }
        total += info.st_size;
    }
    return total;
}

int table_each(struct table_reader *reader, const struct column_spec *specs, int32_t specs_count,
               const struct table_visitor *visitor, struct spot_error *err)
{
    int status = SPOT_OK;
    struct pass pass = {.reader = reader,
                        .visitor = visitor,
                        .specs = specs,
                        .specs_count = specs_count,
                        .workers = pool_threads(reader->pool),
                        .bytes_total = total_bytes(reader),
                        .err = err};
    reader->bytes = 0;
    pass.work = spot_alloc_zero(pass.workers, sizeof *pass.work);
    if (pass.work == NULL) return spot_fail_memory(err, "reading a table");
    for (int i = 0; i < reader->files_count && status == SPOT_OK; i++)
        status = read_file(&pass, i);
    for (int i = 0; i < pass.workers; i++)
        csv_work_free(&pass.work[i]);
    free(pass.work);
    free(pass.results);
    return status;
}
