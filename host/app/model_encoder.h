/* The encoder that a model carries, ready to be used. */
#ifndef SPOT_APP_MODEL_ENCODER_H
#define SPOT_APP_MODEL_ENCODER_H

#include "data/encoder.h"
#include "models/model_file.h"

struct model_encoder {
    struct schema *schema; /* both NULL when the model has none */
    struct encoder *encoder;
};

/* path: of the model, for messages. SPOT_EFORMAT when the encoder does not fit the model. */
int model_encoder_open(const struct model *model, const char *path, struct model_encoder *opened,
                       struct spot_error *err);
void model_encoder_close(struct model_encoder *opened);

#endif
