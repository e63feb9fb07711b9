/* `blackspot devices`: what this machine can compute on. */
#define _GNU_SOURCE /* argp */
#include <stdlib.h>

#include "app/result.h"
#include "app/session.h"
#include "base/error.h"

static const struct argp_option devices_options[] = {
    {"json", OPTION_KEY(OPTION_JSON), 0, 0, "one line of JSON instead of text", 1},
    {"config", OPTION_KEY(OPTION_CONFIG), "FILE", 0, "for engine.cuda_library", 1},
    {"set", OPTION_KEY(OPTION_SET), "KEY=VALUE", 0, "overrides the configuration", 1},
    {0},
};

static cJSON *device_json(const struct backend_device *device)
{
    cJSON *object = cJSON_CreateObject();
    if (object == NULL) return NULL;
    cJSON_AddStringToObject(object, "id", device->id);
    cJSON_AddStringToObject(object, "name", device->name);
    cJSON_AddBoolToObject(object, "usable", device->usable);
    cJSON_AddStringToObject(object, "detail", device->detail);
    cJSON_AddNumberToObject(object, "memory", (double)device->memory);
    cJSON_AddNumberToObject(object, "memory_free", (double)device->memory_free);
    return object;
}

static int print_json(const struct session *session, const struct backend_device *devices,
                      int32_t count, struct spot_error *err)
{
    cJSON *result = cJSON_CreateObject();
    if (result == NULL) return spot_fail_memory(err, "the result");
    cJSON_AddStringToObject(result, "command", session->command->name);
    cJSON *list = cJSON_AddArrayToObject(result, "devices");
    for (int32_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list, device_json(&devices[i]));
    return result_print(result, err);
}

static int print_devices(struct session *session, struct spot_error *err)
{
    struct backend_device *devices = NULL;
    int32_t count = 0;
    int status;
    SPOT_TRY(engine_devices(session->cuda_library, &devices, &count, err));
    if (given(&session->arguments, OPTION_JSON)) {
        SPOT_TRY(print_json(session, devices, count, err));
    } else {
        printf("%-10s %-28s %-7s %s\n", "DEVICE", "NAME", "USABLE", "DETAIL");
        for (int32_t i = 0; i < count; i++)
            printf("%-10s %-28s %-7s %s\n", devices[i].id, devices[i].name,
                   devices[i].usable ? "yes" : "no", devices[i].detail);
    }
out:
    free(devices);
    return status;
}

const struct command command_devices = {
    .name = "devices",
    .summary = "list what can compute",
    .usage = "[--json]",
    .about =
        "Lists the processor's instruction sets and the GPUs, and says of each one that cannot "
        "be used why not.",
    .example = "blackspot devices",
    .options = devices_options,
    .run = print_devices,
};
