"""SSD7: seven small convolutional layers, to be trained from scratch.

Also the worked example of a base network of your own: a function that takes a Keras tensor, the image
(B, H, W, channels) after preprocessing, and gives the feature maps to predict from, the finest first. The
names of the layers that make them name the predictor heads.
"""

from keras import layers

from ssd_keras.boxes.arrays import Array

FILTERS = (32, 48, 64, 64, 48, 48, 32)


def ssd7_features(image: Array) -> list[Array]:
    """Build the seven blocks of convolution, batch normalisation and ELU; predict from the last four.

    For an image (B, 300, 480, 3) the feature maps are 37 × 60, 18 × 30, 9 × 15 and 4 × 7.
    Source: `build_model` in `keras_ssd7` of the Keras port of 2018.
    """
    features = []
    x = image
    for block, filters in enumerate(FILTERS, start=1):
        if block > 1:
            x = layers.MaxPooling2D(2, name=f"pool{block - 1}")(x)
        kernel = 5 if block == 1 else 3
        x = layers.Conv2D(
            filters, kernel, padding="same", kernel_initializer="he_normal", name=f"conv{block}"
        )(x)
        x = layers.BatchNormalization(name=f"bn{block}")(x)
        x = layers.Activation("elu", name=f"elu{block}")(x)
        if block >= 4:
            features.append(x)
    return features
