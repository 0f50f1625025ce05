_base_ = "./inet_vgg16_webtattoo.py"

custom_imports = dict(imports=["projects.tattoo_search.tattoo_search"])
model = dict(type="WholeImageSearch")
val_dataloader = dict(dataset=dict(type="WholeImageSearchDataset"))
test_dataloader = val_dataloader
