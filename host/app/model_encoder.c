#include "app/model_encoder.h"

#include "base/error.h"

int model_encoder_open(const struct model *model, const char *path, struct model_encoder *opened,
                       struct spot_error *err)
{
    int status = SPOT_OK;
    *opened = (struct model_encoder){0};
    if (model->encoder == NULL) return SPOT_OK;
    SPOT_TRY(schema_from_json(model->encoder, &opened->schema, err));
    SPOT_TRY(encoder_from_json(model->encoder, opened->schema, &opened->encoder, err));
    if (encoder_width(opened->encoder) != model->columns)
        status = spot_fail(err, SPOT_EFORMAT,
                           "%.200s: the encoder makes %d features, but the model has %d", path,
                           encoder_width(opened->encoder), model->columns);
out:
    if (status < 0) model_encoder_close(opened);
    return status;
}

void model_encoder_close(struct model_encoder *opened)
{
    encoder_free(opened->encoder);
    schema_free(opened->schema);
    *opened = (struct model_encoder){0};
}
