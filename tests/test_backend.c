/* Every operation of the backend contract against plain C, over every device there is: the CPU's
 * instruction sets and, where BLACKSPOT_CUDA_LIBRARY names a plugin, that one: emulated, or the
 * real one on a machine with a GPU. All give the same bits. */
#define _GNU_SOURCE /* setenv */
#include "backend_devices.h"

/* A run and its data. */
struct opened {
    const struct backend_kmeans *kmeans;
    const struct backend_core *core;
    struct backend_data *data;
    struct kmeans_run *run;
};

static struct opened open_run(const struct device *device, const struct problem *p)
{
    struct opened o = {device->tables->kmeans, device->tables->core, put_rows(device, p), NULL};
    ok(o.kmeans->open(o.data, p->k, &p->quantiser, &o.run, &error));
    return o;
}

static void close_run(struct opened *o)
{
    o->kmeans->close(o->run);
    o->core->data_close(o->data);
}

/* ---- Passes --------------------------------------------------------------------------------- */

/* Labels and sums of the last pass are what plain C expects. */
static void check_pass(const struct opened *o, const struct problem *p, const struct expected *e)
{
    struct kmeans_partial partial = partial_room(p);
    int32_t *labels = room(p->rows, sizeof *labels);
    int64_t half = p->rows / 2;
    ok(o->kmeans->partial(o->run, &partial, &error));
    ok(o->kmeans->labels(o->run, 0, half, labels, &error));
    ok(o->kmeans->labels(o->run, half, p->rows - half, labels + half, &error));
    CU_ASSERT_EQUAL(memcmp(labels, e->labels, (size_t)p->rows * sizeof *labels), 0);
    CU_ASSERT_TRUE(same_partial(p, &partial, &e->partial));
    partial_free(&partial);
    free(labels);
}

static void check_passes(const struct device *device, const struct problem *p)
{
    struct opened o = open_run(device, p);
    struct expected e = expected_make(p);
    ok(o.kmeans->start(o.run, p->centres, &error));
    for (int pass = 0; pass < 3; pass++) { /* in the last one nothing moves */
        const double *centres = pass == 0 ? p->centres : p->others;
        if (pass > 0) ok(o.kmeans->move(o.run, centres, &error));
        ok(o.kmeans->pass(o.run, &error));
        expected_pass(p, centres, &e);
        check_pass(&o, p, &e);
    }
    expected_free(&e);
    close_run(&o);
}

static const int kinds[] = {
    PLAIN, LATTICE, WEIGHTED, MERGED | LATTICE, WEIGHTED | MERGED, HEAVY | MERGED | OFFSET, OFFSET};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* Sizes around every tile's edge, in every kind. */
static void assigns_and_adds_up(void)
{
    static const int64_t rows[] = {1, 31, 33, 127, 129, 257, 1000};
    static const int32_t columns[] = {1, 4, 7, 16, 17, 24, 33, 129};
    static const int32_t clusters[] = {1, 2, 5, 16, 17, 33, 65, 130};
    for (int i = 0; i < 28; i++) {
        struct problem p = problem_make(rows[i % 7], columns[i % 8], clusters[(i + i / 8) % 8],
                                        kinds[(i + i / 7) % KINDS]);
        on_all(&p, check_passes);
        problem_free(&p);
    }
}

static void takes_many_clusters(void)
{
    static const int32_t shapes[][2] = {{1, 256}, {2, 300}, {16, 700}, {20, 300}, {40, 260}};
    for (int i = 0; i < 5; i++) {
        struct problem p = problem_make(600, shapes[i][0], shapes[i][1], i % 2);
        on_all(&p, check_passes);
        problem_free(&p);
    }
}

static void batches_change_nothing(void)
{
    static const int64_t batches[] = {1, 5, 64, 130, 999, 5000};
    for (int i = 0; i < 12; i++) {
        struct problem p =
            problem_make(i < 4 ? 40 + i : 1000, i % 3 == 0 ? 20 : 3, 6, kinds[i % KINDS]);
        p.batch_rows = batches[i / 2];
        on_all(&p, check_passes);
        problem_free(&p);
    }
}

/* Centres so close together that float32 cannot tell them apart. */
static void decides_near_ties(void)
{
    for (int32_t columns = 1; columns < 40; columns += 19) {
        struct problem p = problem_make(700, columns, 40, PLAIN);
        for (int64_t i = 0; i < p.rows * columns; i++)
            p.values[i] = p.x[i] = 1.0f + 0x1p-23f * (float)(int)(draw() * 16);
        for (int64_t i = 0; i < p.k * columns; i++) {
            p.centres[i] = 1.0 + 0x1p-19 * draw();
            p.others[i] = 1.0 + 0x1p-19 * draw();
        }
        for (int32_t j = 0; j < columns; j++)
            p.others[5 * columns + j] = p.others[33 * columns + j]; /* exactly tied */
        on_all(&p, check_passes);
        problem_free(&p);
    }
}

/* ---- Runs ----------------------------------------------------------------------------------- */

struct run_case {
    int32_t max_steps;
    double tolerance;
};

/* Lloyd's steps in plain C. */
static struct kmeans_event expected_run(const struct problem *p, struct run_case with,
                                        double *centres, struct expected *e)
{
    struct kmeans_event event = {.kind = KMEANS_STEPS};
    while (event.steps < with.max_steps && event.kind == KMEANS_STEPS) {
        expected_pass(p, centres, e);
        event.steps++;
        event.moved = e->partial.moved;
        bool empty = false;
        for (int32_t c = 0; c < p->k; c++)
            empty = empty || int128_is_zero(e->partial.weights[c]);
        if (empty) {
            event.kind = KMEANS_EMPTY;
            break;
        }
        event.shift =
            update_centres(&p->quantiser, p->k, e->partial.sums, e->partial.weights, centres);
        if (event.moved == 0)
            event.kind = KMEANS_STABLE;
        else if (event.shift <= with.tolerance)
            event.kind = KMEANS_SHIFT;
    }
    return event;
}

static struct run_case run_now;

static void check_run(const struct device *device, const struct problem *p)
{
    struct opened o = open_run(device, p);
    struct expected e = expected_make(p);
    struct kmeans_event event;
    size_t bytes = (size_t)p->k * (size_t)p->columns * sizeof(double);
    double *centres = room(1, bytes), *found = room(1, bytes);
    memcpy(centres, p->centres, bytes);
    ok(o.kmeans->start(o.run, p->centres, &error));
    for (int call = 0; call < 2; call++) { /* the second goes on where the first has stopped */
        struct kmeans_event wanted = expected_run(p, run_now, centres, &e);
        ok(o.kmeans->run(o.run, run_now.max_steps, run_now.tolerance, &event, &error));
        CU_ASSERT_EQUAL(event.kind, wanted.kind);
        CU_ASSERT_EQUAL(event.steps, wanted.steps);
        CU_ASSERT_EQUAL(event.moved, wanted.moved);
        CU_ASSERT_TRUE(event.shift == wanted.shift);
        ok(o.kmeans->centres(o.run, found, &error));
        CU_ASSERT_EQUAL(memcmp(found, centres, bytes), 0);
        check_pass(&o, p, &e);
    }
    free(centres);
    free(found);
    expected_free(&e);
    close_run(&o);
}

static void runs_to_every_end(void)
{
    static const struct run_case cases[] = {{1, 0.0}, {3, 0.0}, {60, 0.0}, {60, 1e-1}, {60, 1e9}};
    for (int i = 0; i < 15; i++) {
        run_now = cases[i % 5];
        struct problem p = problem_make(500, i % 3 == 0 ? 2 : 18, 1 + i % 4, kinds[i % KINDS]);
        on_all(&p, check_run);
        problem_free(&p);
    }
    for (int i = 0; i < 6; i++) {
        run_now = cases[i % 5];
        struct problem p = problem_make(400, i % 2 == 0 ? 3 : 19, 5,
                                        i % 3 == 0 ? COSINE : COSINE | WEIGHTED | MERGED);
        on_all(&p, check_run);
        problem_free(&p);
    }
    struct problem p = problem_make(300, 30, 20, PLAIN); /* more than one tile of squares */
    run_now = (struct run_case){5, 0.0};
    on_all(&p, check_run);
    problem_free(&p);
}

static void stops_at_an_empty_cluster(void)
{
    struct problem p = problem_make(200, 3, 4, PLAIN);
    for (int32_t j = 0; j < 3; j++)
        p.centres[2 * 3 + j] = 1e6;
    run_now = (struct run_case){10, 0.0};
    on_all(&p, check_run);
    problem_free(&p);
}

static void check_stop(const struct device *device, const struct problem *p)
{
    struct opened o = open_run(device, p);
    struct kmeans_event event;
    ok(o.kmeans->start(o.run, p->centres, &error));
    stop = 1;
    ok(o.kmeans->run(o.run, 10, 0.0, &event, &error));
    stop = 0;
    CU_ASSERT_EQUAL(event.kind, KMEANS_STOPPED);
    CU_ASSERT_EQUAL(event.steps, 0);
    close_run(&o);
}

static void stops_when_asked(void)
{
    struct problem p = problem_make(100, 3, 4, PLAIN);
    on_all(&p, check_stop);
    problem_free(&p);
}

/* ---- Distances to one's own centre ---------------------------------------------------------- */

static struct {
    const struct problem *p;
    const double *centres;
    const int32_t *labels;
} sorting;

static int by_distance(const void *a, const void *b)
{
    const struct problem *p = sorting.p;
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    double dx = distance_of(p, sorting.centres, x, sorting.labels[x]);
    double dy = distance_of(p, sorting.centres, y, sorting.labels[y]);
    if (dx != dy) return dx > dy ? -1 : 1;
    for (int32_t j = 0; j < p->columns; j++) {
        float vx = p->x[x * p->columns + j], vy = p->x[y * p->columns + j];
        if (vx != vy) return vx < vy ? -1 : 1;
    }
    if (weight_of(p, x) != weight_of(p, y)) return weight_of(p, x) < weight_of(p, y) ? -1 : 1;
    return x < y ? -1 : 1;
}

static void check_own(const struct device *device, const struct problem *p)
{
    struct opened o = open_run(device, p);
    struct expected e = expected_make(p);
    struct int128 inertia, wanted = int128_from(0);
    ok(o.kmeans->start(o.run, p->centres, &error));
    ok(o.kmeans->pass(o.run, &error));
    expected_pass(p, p->centres, &e);
    for (int64_t i = 0; i < p->rows; i++) {
        double d2 = distance_of(p, p->centres, i, e.labels[i]);
        int64_t term = quantise(d2, p->quantiser.distance_scale);
        wanted = int128_add(wanted, int128_times(mass_of(p, i), term));
    }
    ok(o.kmeans->inertia(o.run, &inertia, &error));
    CU_ASSERT_EQUAL(int128_compare(inertia, wanted), 0);

    int64_t *order = room(p->rows, sizeof *order), rows = 0;
    for (int64_t i = 0; i < p->rows; i++)
        if (weight_of(p, i) > 0) order[rows++] = i;
    sorting.p = p;
    sorting.centres = p->others;
    sorting.labels = e.labels;
    qsort(order, (size_t)rows, sizeof *order, by_distance);
    struct kmeans_far far[7];
    int32_t found, most = p->k < 7 ? p->k : 7;
    ok(o.kmeans->farthest(o.run, p->others, most, far, &found, &error));
    CU_ASSERT_EQUAL_FATAL(found, rows < most ? rows : most);
    for (int32_t i = 0; i < found; i++) {
        CU_ASSERT_EQUAL(far[i].row, order[i]);
        CU_ASSERT_TRUE(far[i].distance == distance_of(p, p->others, order[i], e.labels[order[i]]));
    }
    free(order);
    expected_free(&e);
    close_run(&o);
}

static void measures_inertia_and_the_farthest(void)
{
    static const int64_t rows[] = {300, 1, 3, 1500, 40};
    for (int i = 0; i < 14; i++) {
        struct problem p =
            problem_make(rows[i / 3], i % 3 == 0 ? 19 : 2, 7 + i, kinds[i * 3 % KINDS]);
        p.batch_rows = i % 2 == 0 ? 0 : 100;
        on_all(&p, check_own);
        problem_free(&p);
    }
}

static void check_rows(const struct device *device, const struct problem *p)
{
    struct opened o = open_run(device, p);
    float *values = room(p->columns, sizeof *values);
    ok(o.kmeans->start(o.run, p->centres, &error));
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t row = 0; row < p->rows; row += 37) {
            int64_t weight;
            int32_t label;
            ok(o.kmeans->row(o.run, row, values, &weight, &label, &error));
            CU_ASSERT_EQUAL(
                memcmp(values, p->x + row * p->columns, (size_t)p->columns * sizeof *values), 0);
            CU_ASSERT_EQUAL(weight, weight_of(p, row));
            CU_ASSERT_EQUAL(label, pass == 0 ? -1 : nearest_of(p, p->centres, row));
        }
        ok(o.kmeans->pass(o.run, &error));
    }
    free(values);
    close_run(&o);
}

static void reads_rows_back(void)
{
    for (int i = 0; i < KINDS; i++) {
        struct problem p = problem_make(150, 5 + 20 * (i % 2), i < 3 ? 300 : 4, kinds[i]);
        p.batch_rows = i % 2 == 0 ? 0 : 64;
        on_all(&p, check_rows);
        problem_free(&p);
    }
}

/* ---- Seeding -------------------------------------------------------------------------------- */

static int64_t handle_row(const struct problem *p, int64_t original)
{
    return p->group_of_row == NULL ? original : p->group_of_row[original];
}

/* What an original row weighs in a draw; nearest NULL: before any centre. */
static struct int128 potential_of(const struct problem *p, const float *nearest, int64_t original)
{
    int64_t row = handle_row(p, original);
    if (nearest == NULL) return int128_from(weight_of(p, row));
    return int128_multiply(weight_of(p, row),
                           quantise((double)nearest[row], p->quantiser.distance_scale));
}

static float seeding_distance(const struct problem *p, int64_t a, int64_t b)
{
    return squared_distance_float32(p->x + a * p->columns, 1, p->x + b * p->columns, p->columns);
}

/* Draws at both ends and in between. Returns the last row drawn. */
static int64_t check_draws(const struct opened *o, const struct problem *p, const float *nearest)
{
    struct int128 total = int128_from(0), targets[6];
    int64_t rows[6], wanted = 0;
    for (int64_t i = 0; i < p->original_rows; i++)
        total = int128_add(total, potential_of(p, nearest, i));
    if (int128_is_zero(total)) return 0;
    for (int t = 0; t < 6; t++)
        targets[t] = int128_scale(total, t == 5 ? UINT64_MAX : (uint64_t)t * (UINT64_MAX / 7));
    ok(o->kmeans->seed_pick(o->run, 6, targets, rows, &error));
    struct int128 sum = int128_from(0);
    for (int t = 0; t < 6; t++) {
        while (int128_compare(int128_add(sum, potential_of(p, nearest, wanted)), targets[t]) <= 0)
            sum = int128_add(sum, potential_of(p, nearest, wanted++));
        CU_ASSERT_EQUAL(rows[t], wanted);
    }
    return handle_row(p, rows[3]);
}

static void check_tries(const struct opened *o, const struct problem *p, const float *nearest,
                        int64_t drawn)
{
    int64_t rows[11];
    struct int128 totals[11];
    for (int t = 0; t < 11; t++)
        rows[t] = t == 0 ? drawn : (int64_t)(draw() * (double)p->rows);
    ok(o->kmeans->seed_try(o->run, 11, rows, totals, &error));
    for (int t = 0; t < 11; t++) {
        struct int128 sum = int128_from(0);
        for (int64_t i = 0; i < p->rows; i++) {
            float d2 = seeding_distance(p, i, rows[t]);
            double smaller = (double)(d2 < nearest[i] ? d2 : nearest[i]);
            int64_t term = quantise(smaller, p->quantiser.distance_scale);
            sum = int128_add(sum, int128_times(mass_of(p, i), term));
        }
        CU_ASSERT_EQUAL(int128_compare(totals[t], sum), 0);
    }
}

/* Eleven points become centres at once; then what is known of rows. nearest comes up to date. */
static void check_points(const struct opened *o, const struct problem *p, float *nearest)
{
    const size_t d = (size_t)p->columns;
    int64_t rows[11], distances[11];
    float *points = room(11 * p->columns, sizeof *points);
    struct int128 total, sum = int128_from(0);
    for (int t = 0; t < 11; t++)
        rows[t] = (int64_t)(draw() * (double)p->original_rows);
    ok(o->kmeans->seed_rows(o->run, 11, rows, points, NULL, &error));
    for (size_t t = 0; t < 11; t++)
        CU_ASSERT_EQUAL(
            memcmp(points + t * d, p->x + (size_t)handle_row(p, rows[t]) * d, d * sizeof *points),
            0);
    ok(o->kmeans->seed_points(o->run, 11, points, &total, &error));
    for (int64_t i = 0; i < p->rows; i++) {
        for (int t = 0; t < 11; t++)
            nearest[i] = fminf(nearest[i], seeding_distance(p, i, handle_row(p, rows[t])));
        int64_t term = quantise((double)nearest[i], p->quantiser.distance_scale);
        sum = int128_add(sum, int128_times(mass_of(p, i), term));
    }
    CU_ASSERT_EQUAL(int128_compare(total, sum), 0);
    for (int t = 0; t < 11; t++)
        rows[t] = t == 0 ? p->original_rows - 1 : (int64_t)(draw() * (double)p->original_rows);
    ok(o->kmeans->seed_rows(o->run, 11, rows, NULL, distances, &error));
    for (int t = 0; t < 11; t++)
        CU_ASSERT_EQUAL(distances[t], quantise((double)nearest[handle_row(p, rows[t])],
                                               p->quantiser.distance_scale));
    free(points);
}

static void check_seeding(const struct device *device, const struct problem *p)
{
    struct opened o = open_run(device, p);
    float *nearest = room(p->rows, sizeof *nearest);
    for (int round = 0; round < 2; round++) { /* a new beginning forgets the centres */
        ok(o.kmeans->seed_begin(o.run, &error));
        for (int64_t i = 0; i < p->rows; i++)
            nearest[i] = INFINITY;
        int64_t row = check_draws(&o, p, NULL);
        for (int centre = 0; centre < 3; centre++) {
            check_tries(&o, p, nearest, row);
            ok(o.kmeans->seed_take(o.run, row, &error));
            for (int64_t i = 0; i < p->rows; i++)
                nearest[i] = fminf(nearest[i], seeding_distance(p, i, row));
            row = check_draws(&o, p, nearest);
        }
        check_points(&o, p, nearest); /* a centre may be pending */
        check_draws(&o, p, nearest);
    }
    free(nearest);
    close_run(&o);
}

static void seeds(void)
{
    static const int64_t rows[] = {1, 40, 1000, 4097, 9000};
    for (int i = 0; i < 14; i++) {
        struct problem p =
            problem_make(rows[i % 5], i % 3 == 0 ? 21 : 3, 5, kinds[(i + i / 5) % KINDS]);
        p.batch_rows = i % 2 == 0 ? 0 : 777;
        on_all(&p, check_seeding);
        problem_free(&p);
    }
}

/* ---- Moments and scoring -------------------------------------------------------------------- */

static void check_moments(const struct device *device, const struct problem *p)
{
    struct backend_data *data = put_rows(device, p);
    struct column_moments *found = room(p->columns, sizeof *found);
    double *scale = room(p->columns, sizeof *scale);
    for (int32_t j = 0; j < p->columns; j++)
        scale[j] = j % 2 == 0 ? p->scale[j] * 0x1p-20 : 0x1p-2;
    ok(device->tables->core->data_moments(data, scale, found, &error));
    for (int32_t j = 0; j < p->columns; j++) {
        struct column_moments wanted = {{0, 0}, {0, 0}, 0, 0};
        for (int64_t i = 0; i < p->rows; i++) {
            double x = (double)p->x[i * p->columns + j];
            int64_t r = quantise(x, scale[j]), count = count_of(p, i);
            wanted.sum = int128_add(wanted.sum, int128_multiply(r, count));
            wanted.squares = int128_add(wanted.squares, int128_multiply(r * r, count));
            wanted.nonzero += x != 0 ? count : 0;
            wanted.vanished += x != 0 && r == 0 ? count : 0;
        }
        CU_ASSERT_EQUAL(memcmp(&found[j], &wanted, sizeof wanted), 0);
    }
    free(found);
    free(scale);
    device->tables->core->data_close(data);
}

static void takes_moments(void)
{
    for (int i = 0; i < 2 * KINDS; i++) {
        struct problem p = problem_make(i % 2 == 0 ? 70 : 2000, 1 + i % 4, 2, kinds[i % KINDS]);
        p.batch_rows = i % 3 == 0 ? 50 : 0;
        on_all(&p, check_moments);
        problem_free(&p);
    }
}

static void check_scores(const struct device *device, const struct problem *p)
{
    int32_t *labels = room(p->rows, sizeof *labels);
    double *distances = room(p->rows, sizeof *distances);
    for (int which = 1; which < 4; which++) {
        memset(labels, 0xff, (size_t)p->rows * sizeof *labels);
        ok(device->tables->kmeans->assign(device->backend, p->k, p->columns, p->centres, p->offset,
                                          p->rows, p->values, (which & 1) != 0 ? labels : NULL,
                                          (which & 2) != 0 ? distances : NULL, &error));
        for (int64_t i = 0; i < p->rows; i++) {
            int32_t label = nearest_of(p, p->centres, i);
            if ((which & 1) != 0) CU_ASSERT_EQUAL(labels[i], label);
            if ((which & 2) != 0)
                CU_ASSERT_TRUE(distances[i] == distance_of(p, p->centres, i, label));
        }
    }
    free(labels);
    free(distances);
}

static void scores(void)
{
    static const int64_t rows[] = {1, 129, 1000};
    for (int i = 0; i < 9; i++) {
        struct problem p = problem_make(rows[i % 3], i % 2 == 0 ? 3 : 18, i < 6 ? 9 : 300,
                                        i % 3 == 0 ? LATTICE : OFFSET);
        on_all(&p, check_scores);
        problem_free(&p);
    }
}

static void describes_itself(void)
{
    struct backend_device list[8];
    for (int i = 0; i < device_count; i++) {
        const struct backend_core *core = devices[i].tables->core;
        int32_t count = 0;
        CU_ASSERT_TRUE(strlen(core->describe(devices[i].backend)) > 3);
        ok(core->devices(NULL, 0, &count, &error));
        CU_ASSERT_TRUE_FATAL(count > 0);
        ok(core->devices(list, 8, &count, &error));
        CU_ASSERT_TRUE(list[0].usable);
        CU_ASSERT_TRUE(strlen(list[0].name) > 2 && strlen(list[0].id) > 2);
        core->close(NULL);
        core->data_close(NULL);
        devices[i].tables->kmeans->close(NULL);
        struct backend *none;
        const struct backend_host host = {.threads = 1};
        CU_ASSERT_TRUE(core->open("cuda:99", &host, &none, &error) < 0);
        CU_ASSERT_PTR_NULL(none);
    }
}

/* Few rows, every operation: short enough for a run that watches every access to memory. */
static void does_everything_once(void)
{
    for (int i = 0; i < 2; i++) {
        struct problem p = problem_make(300, i == 0 ? 3 : 20, i == 0 ? 5 : 19, WEIGHTED | LATTICE);
        p.batch_rows = 160;
        run_now = (struct run_case){3, 0.0};
        on_all(&p, check_passes);
        on_all(&p, check_run);
        on_all(&p, check_own);
        on_all(&p, check_rows);
        on_all(&p, check_seeding);
        on_all(&p, check_moments);
        on_all(&p, check_scores);
        problem_free(&p);
    }
}

int main(int argc, char **argv)
{
    struct suite_test tests[] = {
        {"devices open", open_devices},
        {"describes itself", describes_itself},
        {"does everything once", does_everything_once},
        {"assigns and adds up", assigns_and_adds_up},
        {"takes many clusters", takes_many_clusters},
        {"batches change nothing", batches_change_nothing},
        {"decides near ties", decides_near_ties},
        {"runs to every end", runs_to_every_end},
        {"stops at an empty cluster", stops_at_an_empty_cluster},
        {"stops when asked", stops_when_asked},
        {"measures inertia and the farthest", measures_inertia_and_the_farthest},
        {"reads rows back", reads_rows_back},
        {"seeds", seeds},
        {"takes moments", takes_moments},
        {"scores", scores},
        {"devices close", close_devices},
        {NULL, NULL},
    };
    choose_test(tests, sizeof tests / sizeof *tests, argc > 1 ? argv[1] : NULL);
    return run_suite("backend", tests);
}
