#include "app/model_encoder.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

/* What the encoder makes is what the model was trained on. */
static int check_features(const struct model *model, const struct encoder *encoder,
                          struct spot_error *err)
{
    const char *const *names = encoder_names(encoder);
    if (encoder_width(encoder) != model->columns)
        return spot_fail(err, SPOT_EFORMAT, "the encoder makes %d features, but the model has %d",
                         encoder_width(encoder), model->columns);
    for (int32_t j = 0; j < model->columns; j++)
        if (strcmp(names[j], model->features[j]) != 0)
            return spot_fail(err, SPOT_EFORMAT,
                             "features[%d] is %.100s, but the encoder's is %.100s", j,
                             model->features[j], names[j]);
    return SPOT_OK;
}

int model_encoder_open(const struct model *model, const char *path, struct model_encoder *opened,
                       struct spot_error *err)
{
    int status = SPOT_OK;
    *opened = (struct model_encoder){0};
    if (model->encoder == NULL) return SPOT_OK;
    SPOT_TRY(schema_from_json(model->encoder, &opened->schema, err));
    SPOT_TRY(encoder_from_json(model->encoder, opened->schema, &opened->encoder, err));
    SPOT_TRY(check_features(model, opened->encoder, err));
out:
    if (status < 0) {
        char reason[sizeof err->message];
        snprintf(reason, sizeof reason, "%s", err->message);
        spot_fail(err, status, "%.200s: %s", path, reason);
        model_encoder_close(opened);
    }
    return status;
}

void model_encoder_close(struct model_encoder *opened)
{
    encoder_free(opened->encoder);
    schema_free(opened->schema);
    *opened = (struct model_encoder){0};
}
