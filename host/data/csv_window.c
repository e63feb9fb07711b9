/* Boundaries are proposed by the parity of quotes, which is right unless a quote is stray. Where
 * there are quotes, every piece is then walked record by record (on all threads) to see that it
 * ends where the next begins; behind the first that does not, the window is walked in order. */
#include "data/csv_window.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/decimal.h"

enum { HEADROOM = CSV_CHUNK + CSV_LIMIT }; /* a chunk's records are no longer */

int csv_window_open(int64_t chunks, struct csv_window *window, struct spot_error *err)
{
    *window = (struct csv_window){.chunks = chunks};
    int64_t bytes = HEADROOM + chunks * CSV_CHUNK;
    window->memory = spot_alloc(bytes + DECIMAL_SLACK, 1);
    window->census = spot_alloc_zero(chunks, sizeof *window->census);
    if (window->memory == NULL || window->census == NULL) {
        csv_window_close(window);
        return spot_fail_memory(err, "reading a table");
    }
    memset(window->memory + bytes, 0, DECIMAL_SLACK);
    window->fill = window->memory + HEADROOM;
    return SPOT_OK;
}

void csv_window_close(struct csv_window *window)
{
    free(window->memory);
    free(window->census);
    free(window->pieces);
    *window = (struct csv_window){0};
}

/* ---- Filling --------------------------------------------------------------------------------- */

int64_t csv_window_prepare(struct csv_window *window, const struct source *source, int64_t offset)
{
    window->offset = offset;
    window->filled = window->pieces_count = 0;
    window->status = SPOT_OK;
    window->last = false;
    atomic_flag_clear(&window->failed);
    int64_t size = source_plain_size(source), room = window->chunks * CSV_CHUNK;
    if (size < 0) return 1;
    window->filled = size - offset < room ? size - offset : room;
    window->last = offset + window->filled >= size;
    return (window->filled + CSV_CHUNK - 1) / CSV_CHUNK;
}

static int64_t chunk_length(const struct csv_window *window, int64_t chunk)
{
    int64_t left = window->filled - chunk * CSV_CHUNK;
    return left > CSV_CHUNK ? CSV_CHUNK : left;
}

static void fill_from_stream(struct csv_window *window, struct source *source)
{
    int64_t room = window->chunks * CSV_CHUNK;
    window->status = source_read(source, window->fill, room, &window->filled, &window->error);
    window->last = window->status == SPOT_OK && window->filled < room;
    for (int64_t i = 0; i * CSV_CHUNK < window->filled; i++)
        window->census[i] = csv_count(window->fill + i * CSV_CHUNK, chunk_length(window, i));
}

void csv_window_fill(struct csv_window *window, struct source *source, int64_t task)
{
    if (source_plain_size(source) < 0) {
        fill_from_stream(window, source);
        return;
    }
    char *text = window->fill + task * CSV_CHUNK;
    int64_t length = chunk_length(window, task);
    struct spot_error error;
    int status = source_read_at(source, window->offset + task * CSV_CHUNK, text, length, &error);
    if (status < 0) {
        if (!atomic_flag_test_and_set(&window->failed)) {
            window->status = status;
            window->error = error;
        }
        return;
    }
    window->census[task] = csv_count(text, length);
}

/* ---- Cutting --------------------------------------------------------------------------------- */

/* The beginning of a piece. */
static int add_mark(struct csv_window *window, const char *text, int64_t line,
                    struct spot_error *err)
{
    if (spot_grow((void **)&window->pieces, &window->pieces_capacity, window->pieces_count + 1,
                  sizeof *window->pieces) < 0)
        return spot_fail_memory(err, "the pieces of a table");
    window->pieces[window->pieces_count++] = (struct csv_piece){.text = text, .first_line = line};
    return SPOT_OK;
}

/* The chunk in which a byte lies; negative in the part that was left over. */
static int64_t chunk_of(const struct csv_window *window, const char *text)
{
    int64_t at = text - window->fill;
    return at >= 0 ? at / CSV_CHUNK : -((-at + CSV_CHUNK - 1) / CSV_CHUNK);
}

/* Marks the pieces by parity. */
static int propose_pieces(struct csv_window *window, int64_t line, struct spot_error *err)
{
    const char *from = window->begin;
    struct csv_census census = {0};
    bool odd = false;
    int status = add_mark(window, from, line, err);
    for (int64_t i = 0; i * CSV_CHUNK < window->filled && status == SPOT_OK; i++) {
        const char *boundary = window->fill + i * CSV_CHUNK;
        if (boundary <= window->begin) continue;
        bool whole = from == boundary - CSV_CHUNK && i > 0;
        census = whole ? window->census[i - 1] : csv_count(from, boundary - from);
        line += census.lines;
        odd ^= census.quotes & 1;
        from = boundary;
        int64_t feeds;
        const char *start = csv_propose(boundary, window->end, odd ^ (boundary[-1] == '"'), &feeds);
        if (start != NULL && start < window->end &&
            start > window->pieces[window->pieces_count - 1].text)
            status = add_mark(window, start, line + feeds, err);
    }
    return status;
}

/* Walks record by record from the last mark, which is right, and marks the pieces. *rest is the
 * record that could not be followed to its end, or the window's end. */
static int walk_pieces(struct csv_window *window, char delimiter, const char **rest,
                       struct spot_error *err)
{
    const struct csv_piece *mark = &window->pieces[window->pieces_count - 1];
    const char *text = mark->text, *next;
    int64_t line = mark->first_line, chunk = chunk_of(window, text);
    while (text < window->end) {
        csv_record_end(text, window->end, window->last, delimiter, &next);
        if (next == NULL) break;
        line += csv_feeds(text, next);
        text = next;
        if (text < window->end && chunk_of(window, text) != chunk) {
            chunk = chunk_of(window, text);
            int status = add_mark(window, text, line, err);
            if (status < 0) return status;
        }
    }
    *rest = text;
    return SPOT_OK;
}

/* What the census says of the chunks that a piece touches. */
static void describe_piece(const struct csv_window *window, struct csv_piece *piece)
{
    int64_t first = chunk_of(window, piece->text);
    int64_t last = chunk_of(window, piece->text + piece->length - 1);
    for (int64_t i = first; i <= last; i++) {
        const struct csv_census *census = i < 0 ? &window->left_over : &window->census[i];
        piece->quotes |= census->quotes > 0;
        piece->nul |= census->nul;
        piece->high |= census->high;
    }
}

/* Gives the pieces from `first` on their ends; the last one ends with the window. */
static void measure_pieces(struct csv_window *window, int64_t first)
{
    for (int64_t i = first; i < window->pieces_count; i++) {
        struct csv_piece *piece = &window->pieces[i];
        if (i + 1 < window->pieces_count) {
            piece->length = piece[1].text - piece->text;
            piece->lines = piece[1].first_line - piece->first_line;
        } else {
            piece->length = window->end - piece->text;
            piece->lines = csv_count(piece->text, piece->length).lines;
        }
        if (piece->length > 0) describe_piece(window, piece);
    }
}

struct verification {
    const struct csv_window *window;
    char delimiter;
    atomic_int_least64_t wrong; /* the first piece that is not right */
};

/* A piece is right when its records begin in one chunk and the last ends where the next piece
 * begins. */
static bool is_right(const struct csv_window *window, const struct csv_piece *piece, char delimiter)
{
    if (!piece->quotes) return true;
    const char *text = piece->text, *end = piece->text + piece->length;
    int64_t chunk = chunk_of(window, text);
    while (text != NULL && text < end && chunk_of(window, text) == chunk)
        csv_record_end(text, window->end, window->last, delimiter, &text);
    return text == end;
}

static void verify_piece(void *arg, int64_t i, int worker)
{
    (void)worker;
    struct verification *verification = arg;
    const struct csv_window *window = verification->window;
    if (is_right(window, &window->pieces[i], verification->delimiter)) return;
    int64_t wrong = atomic_load(&verification->wrong);
    while (i < wrong && !atomic_compare_exchange_weak(&verification->wrong, &wrong, i))
        continue;
}

/* Cuts [begin, end) into pieces that are known to be right, but for a last one that is not
 * complete. */
static int cut_pieces(struct csv_window *window, char delimiter, struct spot_pool *pool,
                      int64_t line, struct spot_error *err)
{
    int status = propose_pieces(window, line, err);
    if (status < 0) return status;
    measure_pieces(window, 0);
    int64_t complete = window->pieces_count - !window->last;
    bool quotes = false;
    for (int64_t i = 0; i < complete; i++)
        quotes = quotes || window->pieces[i].quotes;
    if (!quotes) return SPOT_OK;
    struct verification verification = {.window = window, .delimiter = delimiter};
    atomic_init(&verification.wrong, complete);
    pool_run(pool, complete, verify_piece, &verification);
    int64_t wrong = atomic_load(&verification.wrong);
    if (wrong == complete) return SPOT_OK;
    window->pieces_count = wrong + 1;
    const char *rest;
    status = walk_pieces(window, delimiter, &rest, err);
    if (status == SPOT_OK) measure_pieces(window, wrong);
    return status;
}

/* Takes the incomplete last piece off for the next window. When it has outgrown that window's room,
 * a record in it is over the limit. */
static int leave_rest(struct csv_window *window, char delimiter, struct csv_place *place,
                      struct spot_error *err)
{
    const char *rest = window->end;
    int64_t count = window->pieces_count;
    if (window->pieces[count - 1].length > HEADROOM) {
        int status = walk_pieces(window, delimiter, &rest, err);
        if (status < 0) return status;
        measure_pieces(window, count - 1);
        place->skipping = window->end - rest > CSV_LIMIT;
    }
    const struct csv_piece *last = &window->pieces[window->pieces_count - 1];
    place->line = last->first_line + (place->skipping ? last->lines : 0);
    place->text = place->skipping ? window->end : last->text;
    place->length = window->end - place->text;
    window->pieces_count -= !place->skipping;
    return SPOT_OK;
}

/* Puts what the last window left over in front of the chunks. */
static void join_left_over(struct csv_window *window, struct csv_place *place)
{
    window->end = window->fill + window->filled;
    window->begin = window->fill - place->length;
    if (place->length > 0)
        memcpy(window->fill - place->length, place->text, (size_t)place->length);
    else if (window->offset == 0)
        window->begin = place->text;
    window->left_over = csv_count(window->fill - place->length, place->length);
    if (!place->skipping) return;
    const char *feed = memchr(window->begin, '\n', (size_t)(window->end - window->begin));
    window->begin = feed == NULL ? window->end : feed + 1;
    place->line += feed != NULL;
    place->skipping = feed == NULL;
}

int csv_window_settle(struct csv_window *window, char delimiter, struct spot_pool *pool,
                      struct csv_place *place, struct spot_error *err)
{
    join_left_over(window, place);
    window->pieces_count = 0;
    place->length = 0;
    place->text = window->end;
    if (window->begin == window->end) return SPOT_OK;
    int status = cut_pieces(window, delimiter, pool, place->line, err);
    if (status < 0 || window->last) return status;
    return leave_rest(window, delimiter, place, err);
}
