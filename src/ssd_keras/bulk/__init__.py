"""Detection over more images than one machine holds: `ssd detect --engine ray`.

    from ssd_keras.bulk.run import open_bulk
    from ssd_keras.bulk.results import read_bulk

    run = open_bulk("runs/mine", ["s3://bucket/photos"], "s3://bucket/found")
    for shard in run.shards():
        print(shard.images)
    for image, found in read_bulk("s3://bucket/found"):
        print(image, found)

Images are listed one after the other (`listing`) and divided into shards (`shards`); workers, each with a
model of its own, take one shard at a time (`worker`) and leave a Parquet file of it (`results`). What has a
row there is not looked at again.
"""
