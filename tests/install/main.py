"""The same as main.c, through the package for Python: it must be installed."""

import imtag

client = imtag.Client(sdkappid=1400000000, identifier="administrator", secret_key="of-no-app", region="singapore")
try:
    client.add_tag({"xiaojun012": ["1" * 51]})
except imtag.InvalidRequest as refused:
    print(imtag.version(), refused)
